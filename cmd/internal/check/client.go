package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	status "github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/websocket/wstest"
)

// askClient tests a client: a command that it starts, or one that connects.
func (o *options) askClient(cmd *cobra.Command, args []string, suite *wstest.Options) (*wstest.Report, error) {
	ctx := cmd.Context()
	if o.wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.wait, fmt.Errorf("the client did not finish within %v: give a longer --wait", o.wait))
		defer cancel()
	}
	if len(args) > 0 {
		if suite.Agent == "" {
			suite.Agent = args[0]
		}
		return wstest.RunClient(ctx, func(url string) error { return start(ctx, cmd.ErrOrStderr(), args, url) }, suite)
	}
	ln, err := net.Listen("tcp", o.listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w: choose another --listen", err)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "waiting for a client at ws://%s (wskit check --help says what the client must do)\n", ln.Addr())
	suite.Listener = ln
	return wstest.RunClient(ctx, nil, suite)
}

// start runs the client with the URL in place of {url}, or after its arguments.
func start(ctx context.Context, output io.Writer, args []string, url string) error {
	args = append([]string(nil), args...)
	found := false
	for i, arg := range args {
		if strings.Contains(arg, "{url}") {
			args[i], found = strings.ReplaceAll(arg, "{url}", url), true
		}
	}
	if !found {
		args = append(args, url)
	}
	client := exec.CommandContext(ctx, args[0], args[1:]...)
	client.Stdout, client.Stderr = output, output
	client.WaitDelay = time.Second
	if err := client.Start(); err != nil {
		return status.Usagef("the client: %v", err)
	}
	err := client.Wait()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok && ctx.Err() == nil {
		fmt.Fprintf(output, "the client ended with %v\n", failed) // the report says what this means
		return nil
	}
	return err
}
