//go:build unix

// Command idle measures the memory of an idle connection on a server: heap and
// stack after a garbage collection, in the server's own process. Each
// connection has echoed one message before. The request has neither an origin
// nor an offer of extensions, so the stack for a handshake with them is not
// included.
//
//	go run ./idle -conns 10000
//
// The runtime gives new goroutines a stack of the average size at the last
// garbage collection. The first thousand connections of a server therefore set
// the size for the rest, and the result depends on their timing. Each server is
// measured twice: with GODEBUG=adaptivestackstart=0, which shows the size that
// the goroutine itself needs, and with the default of the runtime.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/wskit/wskit/bench/echoserver"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == echoserver.Child {
		exit(echoserver.Serve(os.Args[2:], os.Stdin, os.Stdout))
	}
	conns := flag.Int("conns", 9900, "`number` of connections")
	only := flag.String("lib", "", "measure the libraries whose names have this `text` in them")
	page := flag.String("plan", "", "measure our servers, and write the table for planning into this `page`")
	flag.Parse()
	if *page != "" {
		exit(plan(*page, *conns, time.Now()))
	}
	exit(run(*conns, *only))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "idle:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(conns int, only string) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', tabwriter.AlignRight)
	defer w.Flush()
	fmt.Fprintf(w, "%d connections, bytes each\tlibrary\theap\tstack\tall\tadaptive heap\tstack\tall\t\n", conns)
	for _, pattern := range []echoserver.Pattern{echoserver.Raw, echoserver.Same, echoserver.Handed, echoserver.Handler} {
		for _, l := range echoserver.Libraries {
			if !l.Has(pattern) || !strings.Contains(l.Name, only) {
				continue
			}
			fmt.Fprintf(w, "%s\t%s\t", pattern, l.Name)
			for _, adaptive := range []string{"0", "1"} {
				u, err := measure(l.Name, pattern, conns, adaptive)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", l.Name, pattern, err)
				}
				fmt.Fprintf(w, "%d\t%d\t%d\t", u.Heap, u.Stack, u.Heap+u.Stack)
			}
			fmt.Fprintln(w)
		}
	}
	return nil
}

// measure returns the memory of one connection.
func measure(library string, pattern echoserver.Pattern, conns int, adaptive string) (echoserver.Usage, error) {
	return measureWith(library, pattern, conns, adaptive, func() {})
}

// measureWith is measure, but calls look while all connections are open.
func measureWith(library string, pattern echoserver.Pattern, conns int, adaptive string, look func()) (u echoserver.Usage, err error) {
	p, err := echoserver.Start(library, pattern, echoserver.Options{}, -1, "GODEBUG=adaptivestackstart="+adaptive)
	if err != nil {
		return u, err
	}
	defer p.Stop()
	before, err := p.Memory()
	if err != nil {
		return u, err
	}
	for range conns {
		c, err := echoserver.Dial(p.Addr, library, echoserver.Options{}, []byte("one message for each"), 1)
		if err != nil {
			return u, err
		}
		defer c.Close()
		if err := c.Send(); err != nil {
			return u, err
		}
		if err := c.Receive(); err != nil {
			return u, err
		}
	}
	after, err := p.Memory()
	if err != nil {
		return u, err
	}
	look()
	n := int64(conns)
	return echoserver.Usage{Heap: (after.Heap - before.Heap) / n, Stack: (after.Stack - before.Stack) / n}, nil
}
