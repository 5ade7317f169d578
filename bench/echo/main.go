//go:build unix

// Command echo measures echo servers over the loopback interface: one process and one
// CPU for the server, another one for the load, short messages, one on its way on each
// connection at any time.
//
//	go run ./echo -rounds 5
//
// The load is the same for all: bytes that were made before, sent on one connection
// after the other, always behind the echo of the message before. It is lighter than any of
// the servers, so that these always have something to do. Rounds are interleaved, each
// figure is the median of its rounds. The figure is messages for each second of CPU time
// that the server has used, user and system, which other programs on the machine
// disturb less than they do the time on the wall; that is shown, too. The share is the median of
// each round's ratio to the bare TCP echo in the same round.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/wskit/wskit/bench/echoserver"
)

func main() {
	if len(os.Args) == 4 && os.Args[1] == echoserver.Child {
		if err := echoserver.Serve(os.Args[2], os.Args[3], os.Stdin, os.Stdout); err != nil {
			exit(err)
		}
		return
	}
	var o options
	flag.IntVar(&o.conns, "conns", 100, "`number` of connections")
	flag.IntVar(&o.size, "size", 64, "`bytes` of a message, at most 512")
	flag.IntVar(&o.rounds, "rounds", 5, "measure each server `N` times")
	flag.IntVar(&o.messages, "messages", 50000, "`number` of messages in each round")
	flag.StringVar(&o.only, "lib", "", "measure tcp and the libraries whose names have this `text` in them")
	flag.Parse()
	if err := o.run(); err != nil {
		exit(err)
	}
}

func exit(err error) {
	fmt.Fprintln(os.Stderr, "echo:", err)
	os.Exit(1)
}

type options struct {
	conns, size, rounds, messages int
	only                          string
}

// target is a running server, with what was measured in each round.
type target struct {
	name    string
	process *echoserver.Process
	clients []*echoserver.Client
	cpu     []float64 // messages for each second of CPU time
	wall    []float64 // and of time
	share   []float64 // of the bare echo's, by CPU time
}

func (o options) run() error {
	runtime.GOMAXPROCS(1)
	var targets []*target
	for _, l := range echoserver.Libraries {
		if l.Name != "tcp" && !strings.Contains(l.Name, o.only) {
			continue
		}
		t, err := o.start(l)
		if err != nil {
			return fmt.Errorf("%s: %w", l.Name, err)
		}
		defer t.process.Stop()
		targets = append(targets, t)
	}
	for range o.rounds {
		for _, t := range targets {
			if err := t.round(o.messages); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			i := len(t.cpu) - 1
			t.share = append(t.share, t.cpu[i]/targets[0].cpu[i])
		}
	}
	fmt.Printf("%d connections, %d bytes, %d rounds of %d messages\n", o.conns, o.size, o.rounds, o.messages)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	defer w.Flush()
	fmt.Fprintln(w, "library\tmessages/CPU-s\tof tcp\tlowest\thighest\tmessages/s\t")
	for _, t := range targets {
		fmt.Fprintf(w, "%s\t%.0f\t%.3f\t%.3f\t%.3f\t%.0f\t\n", t.name,
			median(t.cpu), median(t.share), slices.Min(t.share), slices.Max(t.share), median(t.wall))
	}
	return nil
}

// start starts the server on the first CPU, and opens its connections.
func (o options) start(l echoserver.Library) (*target, error) {
	pattern := echoserver.Raw
	if !l.Has(pattern) {
		pattern = echoserver.Handed
	}
	p, err := echoserver.Start(l.Name, pattern, 0, "GOMAXPROCS=1")
	if err != nil {
		return nil, err
	}
	t := &target{name: l.Name, process: p}
	text := bytes.Repeat([]byte("x"), o.size)
	for range o.conns {
		c, err := echoserver.Dial(p.Addr, l.Name, text)
		if err != nil {
			p.Stop()
			return nil, err
		}
		t.clients = append(t.clients, c)
	}
	return t, t.exchange(10 * o.conns)
}

// round measures the echo of that many messages.
func (t *target) round(messages int) error {
	before, err := t.process.CPU()
	if err != nil {
		return err
	}
	start := time.Now()
	if err := t.exchange(messages); err != nil {
		return err
	}
	wall := time.Since(start)
	after, err := t.process.CPU()
	if err != nil {
		return err
	}
	t.cpu = append(t.cpu, float64(messages)*1e9/float64(after.CPU-before.CPU))
	t.wall = append(t.wall, float64(messages)/wall.Seconds())
	return nil
}

// exchange sends a message on each connection, and then another one behind each echo.
func (t *target) exchange(messages int) error {
	for _, c := range t.clients {
		if err := c.Send(); err != nil {
			return err
		}
	}
	n := len(t.clients)
	for i := range messages {
		c := t.clients[i%n]
		if err := c.Receive(); err != nil {
			return err
		}
		if i+n < messages {
			if err := c.Send(); err != nil {
				return err
			}
		}
	}
	return nil
}

func median(x []float64) float64 {
	s := slices.Sorted(slices.Values(x))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}
