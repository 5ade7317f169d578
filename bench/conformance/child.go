package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"

	"github.com/wskit/wskit/websocket/wstest"
)

// childCommand is the first argument of this program as an agent. The other
// arguments are the side, the name, the limit, and for a client the URL of the
// suite.
const childCommand = "child"

// casesAtOnce is the number of concurrent cases.
const casesAtOnce = 16

// child is an agent in Go. It ends when its standard input does, so that it
// does not outlive the run.
func child(args []string) error {
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	limit, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return err
	}
	a, err := find(args[0], args[1], limit)
	if err != nil {
		return err
	}
	ctx := context.Background()
	if a.side == client {
		return wstest.DriveClient(ctx, args[3], casesAtOnce, a.dial)
	}
	if a.front != nil {
		return serveFront(ctx, a)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("listening", ln.Addr().(*net.TCPAddr).Port)
	return a.serve(ctx, ln)
}

// serveFront runs a proxy in front of a server. The proxy ends with the thread
// that has started it, which is the main thread here.
func serveFront(ctx context.Context, a *agent) error {
	runtime.LockOSThread()
	port, wait, err := a.front(ctx)
	if err != nil {
		return err
	}
	fmt.Println("listening", port)
	return wait()
}

func find(side, name string, limit int64) (*agent, error) {
	for _, a := range agents(limit) {
		if a.side == side && a.name == name {
			return a, nil
		}
	}
	return nil, fmt.Errorf("unknown %s %q", side, name)
}

// argv is the command line of an agent.
func (a *agent) argv(limit int64, url ...string) ([]string, error) {
	if a.command != nil {
		return append(a.command(), url...), nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return append([]string{self, childCommand, a.side, a.name, strconv.FormatInt(limit, 10)}, url...), nil
}
