// Command cluster is a chat server whose copies form a cluster, and a load that
// counts every message. The script run starts three copies, kills one under
// load, and shows that no message was lost:
//
//	cluster node --addr 127.0.0.1:8081 --listen 127.0.0.1:6221 --join 127.0.0.1:6221,127.0.0.1:6222,127.0.0.1:6223
//	cluster load --nodes ws://127.0.0.1:8081/hub,ws://127.0.0.1:8082/hub,ws://127.0.0.1:8083/hub
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/wskit/wskit/hub"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: cluster node|load [flags]")

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	flags := flag.NewFlagSet("cluster "+args[0], flag.ContinueOnError)
	switch args[0] {
	case "node":
		var n node
		flags.StringVar(&n.addr, "addr", "127.0.0.1:8080", "host:port for clients")
		flags.StringVar(&n.listen, "listen", "127.0.0.1:6222", "host:port for the other nodes")
		join := flags.String("join", "", "host:port of all nodes, with commas between")
		flags.DurationVar(&n.presence, "presence", hub.DefaultPresenceTTL, "how long members are listed after their node was killed")
		flags.StringVar(&n.dir, "dir", "", "where the history is kept; a temporary directory if it is empty")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		n.join = list(*join)
		return n.run(ctx, out)
	case "load":
		var l load
		nodes := flags.String("nodes", "ws://127.0.0.1:8080/hub", "URLs of all nodes, with commas between")
		flags.IntVar(&l.clients, "clients", 12, "how many clients listen")
		flags.IntVar(&l.publishers, "publishers", 3, "how many clients publish")
		flags.IntVar(&l.messages, "messages", 3000, "how many messages are published")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		l.nodes = list(*nodes)
		return l.run(ctx, out)
	}
	return errUsage
}

// list splits a list at its commas.
func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}
