package check

import (
	"bufio"
	"bytes"
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

// askClient puts a client to the test: a command that it starts, or one that comes.
func (o *options) askClient(cmd *cobra.Command, args []string, suite *wstest.Options, step func()) (*wstest.Report, error) {
	ctx := cmd.Context()
	if o.wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.wait, fmt.Errorf("the client was not done within %v: give a longer --wait", o.wait))
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
	defer ln.Close()
	fmt.Fprintf(cmd.ErrOrStderr(), "waiting for a client at ws://%s (see wskit check --help for what it is to do)\n", ln.Addr())
	return wstest.RunClient(ctx, func(url string) error {
		return relay(ctx, ln, strings.TrimPrefix(url, "ws://"), step)
	}, suite)
}

// start runs the client with the URL in place of {url}, or behind its arguments.
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
		fmt.Fprintf(output, "the client has ended with %v\n", failed) // the report says what that means
		return nil
	}
	return err
}

// relay passes connections on to the suite, until one has fetched the report.
func relay(ctx context.Context, ln net.Listener, suite string, step func()) error {
	reported := make(chan struct{}, 1)
	failed := make(chan error, 1)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				failed <- err
				return
			}
			go func() {
				step()
				if pass(conn.(*net.TCPConn), suite) {
					select {
					case reported <- struct{}{}:
					default:
					}
				}
			}()
		}
	}()
	select {
	case <-ctx.Done():
		return nil // RunClient says why
	case err := <-failed:
		return err
	case <-reported:
		return nil
	}
}

// pass passes one connection on and says whether it asked for the report.
func pass(client *net.TCPConn, suite string) (report bool) {
	defer client.Close()
	conn, err := net.Dial("tcp", suite)
	if err != nil {
		return false
	}
	server := conn.(*net.TCPConn)
	defer server.Close()
	br := bufio.NewReader(client)
	first, _ := br.Peek(len("GET /report"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(server, br)
		server.CloseWrite()
	}()
	io.Copy(client, server)
	client.CloseWrite()
	client.SetReadDeadline(time.Now().Add(time.Second)) // the suite has ended the connection
	<-done
	return bytes.Equal(first, []byte("GET /report"))
}
