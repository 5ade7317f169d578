//go:build unix

// Command echo measures echo servers over the loopback interface: one process
// for each server and one for the load.
//
//	go run ./echo -rounds 15
//
// The load is the same for all: prepared bytes, sent on one connection after
// another, each after the echoes of the previous batch. It does not compare the
// echoes, so that it costs less than any of the servers. Its CPU time is
// printed. Only the server runs on the first CPU, unless -cores is set.
//
// With -deflate, messages are JSON, compressed once at the start, at level 6.
// The servers inflate each message and compress their answer at level 1,
// without context takeover on either side. One answer of each connection is
// inflated and compared before the measurement. Repeating the same message
// favors wskit, which does not build a Huffman code anew that it knows. tcp
// echoes the compressed bytes. gobwas, gnet-protocol and wskit-helpers are left
// out: these programs, as their introductions show them, do not compress.
//
// Each round measures a server and the base one after the other. The base is a
// bare TCP echo unless -base is set. The result is the number of messages for
// each second of CPU time of the server, user and system, which other programs
// disturb less than wall-clock time. The share is the median of the ratios of
// all rounds, with the width of its 95 % interval. If that is wider than the
// difference from 1, "level" is printed instead of the ratio. The first row
// compares the base with itself: differences smaller than its spread are not
// significant.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/wskit/wskit/bench/echoserver"
	"github.com/wskit/wskit/bench/paired"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == echoserver.Child {
		if err := echoserver.Serve(os.Args[2:], os.Stdin, os.Stdout); err != nil {
			exit(err)
		}
		return
	}
	var o options
	flag.IntVar(&o.conns, "conns", 100, "`number` of connections")
	flag.IntVar(&o.Size, "size", 0, "`bytes` of a message, at most 1 MiB (default 64, or 512 with -deflate)")
	flag.IntVar(&o.batch, "pipeline", 1, "send `N` messages on a connection before reading their echoes")
	flag.IntVar(&o.cores, "cores", 1, "`number` of CPUs for a server")
	flag.BoolVar(&o.TLS, "tls", false, "speak TLS")
	flag.BoolVar(&o.Deflate, "deflate", false, "compress messages with permessage-deflate, without context takeover")
	flag.IntVar(&o.rounds, "rounds", 15, "measure each server `N` times")
	flag.IntVar(&o.messages, "messages", 10000, "`number` of messages in each round")
	flag.StringVar(&o.base, "base", "tcp", "compare with this `library`")
	flag.StringVar(&o.only, "lib", "", "measure the base and the libraries whose names have this `text` in them")
	flag.Parse()
	if o.Size == 0 {
		o.Size = o.minSize(64)
	}
	if err := o.run(os.Stdout); err != nil {
		exit(err)
	}
}

func exit(err error) {
	fmt.Fprintln(os.Stderr, "echo:", err)
	os.Exit(1)
}

type options struct {
	echoserver.Options
	conns, batch, cores, rounds, messages int
	base, only                            string
}

const mostSize = 1 << 20

// minSize returns the minimum size of a message, which is plain unless messages
// are compressed.
func (o options) minSize(plain int) int {
	if o.Deflate {
		return echoserver.MinDeflate
	}
	return plain
}

func (o options) check() error {
	for _, n := range []struct {
		name            string
		is, least, most int
	}{
		{"conns", o.conns, 1, 50_000}, {"size", o.Size, o.minSize(1), mostSize}, {"pipeline", o.batch, 1, 10_000},
		{"cores", o.cores, 1, runtime.NumCPU()}, {"rounds", o.rounds, 1, 10_000}, {"messages", o.messages, 1, 1 << 30},
	} {
		if n.is < n.least || n.is > n.most {
			return fmt.Errorf("-%s is %d, want %d to %d", n.name, n.is, n.least, n.most)
		}
	}
	i := slices.IndexFunc(echoserver.Libraries, func(l echoserver.Library) bool { return l.Name == o.base })
	switch {
	case i < 0:
		return fmt.Errorf("-base: unknown library %q", o.base)
	case !echoserver.Libraries[i].Takes(o.Options):
		return fmt.Errorf("-base: %s does not support these options", o.base)
	}
	return nil
}

func (o options) run(out io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	targets, err := o.startAll()
	defer func() {
		for _, t := range targets {
			t.stop()
		}
	}()
	if err != nil {
		return err
	}
	base := targets[0]
	for i := range o.rounds {
		for _, t := range targets[1:] {
			if err := t.pair(base, o.messages, i%2 == 1); err != nil {
				return err
			}
		}
	}
	return o.report(out, targets[1:])
}

// startAll starts the base twice, so that it can be compared with itself, and
// the others.
func (o options) startAll() (targets []*target, err error) {
	libraries := slices.Clone(echoserver.Libraries)
	slices.SortStableFunc(libraries, func(a, b echoserver.Library) int {
		return cmp.Compare(btoi(a.Name != o.base), btoi(b.Name != o.base))
	})
	libraries = slices.Insert(libraries, 0, libraries[0])
	for i, l := range libraries {
		if i > 1 && (!strings.Contains(l.Name, o.only) || !l.Takes(o.Options)) {
			continue
		}
		t, err := o.start(l)
		if err != nil {
			return targets, fmt.Errorf("%s: %w", l.Name, err)
		}
		targets = append(targets, t)
	}
	return targets, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// start starts a server, and opens its connections.
func (o options) start(l echoserver.Library) (*target, error) {
	pattern := echoserver.Raw
	if !l.Has(pattern) {
		pattern = echoserver.Handed
	}
	cpu := 0
	if o.cores > 1 {
		cpu = -1
	}
	p, err := echoserver.Start(l.Name, pattern, o.Options, cpu, fmt.Sprintf("GOMAXPROCS=%d", o.cores))
	if err != nil {
		return nil, err
	}
	t := &target{name: l.Name, process: p, batch: o.batch}
	load, err := echoserver.NewLoad(l.Name, o.Options, o.Text(), o.batch)
	if err != nil {
		return nil, errors.Join(err, t.stop())
	}
	for range o.conns {
		c, err := load.Dial(p.Addr)
		if err != nil {
			return nil, errors.Join(err, t.stop())
		}
		t.clients = append(t.clients, c)
	}
	_, _, echo := t.clients[0].Raw()
	t.answer = len(echo) / o.batch
	if err := t.exchange(10 * o.conns * o.batch); err != nil {
		return nil, errors.Join(err, t.stop())
	}
	return t, nil
}

// report prints the results. The first target is the base.
func (o options) report(out io.Writer, targets []*target) error {
	noise := paired.Summarize(targets[0].shares)
	fmt.Fprintf(out, "%d connections, %d bytes, %d at a time, %d CPU for the server, TLS %t, deflate %t: %d rounds of %d messages\n",
		o.conns, o.Size, o.batch, o.cores, o.TLS, o.Deflate, o.rounds, o.messages)
	fmt.Fprintf(out, "noise: %s against itself varies by ±%.1f %%, and the single rounds by ±%.1f %%\n",
		o.base, 100*noise.Spread(), 100*swing(targets[0].shares))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "library\tmessages/CPU-s\tof %s\tmessages/s\tCPU of the load\tbytes of an answer\t\n", o.base)
	for _, t := range targets {
		fmt.Fprintf(w, "%s\t%.0f\t%s\t%.0f\t%.2f\t%d\t\n", t.name,
			paired.Median(t.cpu), paired.Summarize(t.shares), paired.Median(t.wall), paired.Median(t.load), t.answer)
	}
	return w.Flush()
}

// swing returns half the distance between the lowest and the highest ratio, as
// a fraction of the median.
func swing(ratios []float64) float64 {
	return (slices.Max(ratios) - slices.Min(ratios)) / 2 / paired.Median(ratios)
}
