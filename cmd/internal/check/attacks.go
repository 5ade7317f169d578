package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/cmd/internal/ui"
	"github.com/wskit/wskit/websocket/wstest"
)

// runAttacks attacks a server.
func (o *options) runAttacks(cmd *cobra.Command, arg string, suite *wstest.Options) error {
	u, err := o.Target(arg)
	if err != nil {
		return err
	}
	results, err := wstest.RunAttacks(cmd.Context(), u.String(), &wstest.AttackOptions{
		Filter: o.filter, Connections: o.connections, Header: suite.Header, TLS: suite.TLS, Dial: o.NetDial(), Transport: suite.Transport,
	})
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return err
		}
		return o.DirectReason(u, err)
	}
	if err := o.printAttacks(cmd.OutOrStdout(), results); err != nil {
		return err
	}
	for _, r := range results {
		if !r.Survived && r.Skipped == "" && o.failOn != failOnNever {
			return exit.With(exit.Failed, nil)
		}
	}
	return nil
}

func (o *options) printAttacks(w io.Writer, results []wstest.AttackResult) error {
	if o.json {
		return json.NewEncoder(w).Encode(results)
	}
	p := ui.For(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "attack\tslowest regular ping\ttime\tresult")
	for _, r := range results {
		verdict := p.Green("survived")
		switch {
		case r.Skipped != "":
			verdict = p.Faint("skipped: " + r.Skipped)
		case !r.Survived:
			verdict = p.Red("failed: " + r.Detail)
		}
		fmt.Fprintf(t, "%s\t%v\t%v\t%s\n", r.Name, r.Slowest.Round(time.Microsecond), r.Duration.Round(time.Millisecond), verdict)
	}
	return t.Flush()
}
