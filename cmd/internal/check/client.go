package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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
		if o.Streams() {
			suite.Serve = func(h http.Handler) (string, func(), error) { return o.host("127.0.0.1:0", h) }
		}
		return wstest.RunClient(ctx, func(url string) error { return start(ctx, cmd.ErrOrStderr(), args, url) }, suite)
	}
	if err := o.await(cmd.ErrOrStderr(), suite); err != nil {
		return nil, err
	}
	return wstest.RunClient(ctx, nil, suite)
}

// await makes the suite listen for a client that connects by itself.
func (o *options) await(w io.Writer, suite *wstest.Options) error {
	waiting := func(url string) {
		fmt.Fprintf(w, "waiting for a client at %s (wskit check --help says what the client must do)\n", url)
	}
	if o.Streams() {
		suite.Serve = func(h http.Handler) (string, func(), error) {
			url, stop, err := o.host(o.listen, h)
			if err != nil {
				return "", nil, cannotListen(err)
			}
			waiting(url)
			return url, stop, nil
		}
		return nil
	}
	ln, err := net.Listen("tcp", o.listen)
	if err != nil {
		return cannotListen(err)
	}
	waiting("ws://" + ln.Addr().String())
	suite.Listener = ln
	return nil
}

func cannotListen(err error) error {
	return fmt.Errorf("cannot listen: %w: choose another --listen", err)
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
