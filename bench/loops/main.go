//go:build linux

// Command loops compares servers with very many connections: event loops and
// goroutines, over the loopback interface. From the folder of the benchmarks:
//
//	go run ./loops -rounds 5
//	go run ./loops -only broadcast -server other=/path/of/a/program
//
// Each server is a process with one processor. The load is one goroutine with
// another processor; the last column shows its cost. The result of a server is
// its CPU time for each message, user and system: the median of short,
// interleaved rounds. The ratio is the median of the ratios to wskit-loop in
// the same round. Above 1, the server needs more than wskit-loop.
//
// A program is started with a port, and "echo" or "broadcast", as its
// arguments.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wskit/wskit/bench/echoserver"
	"github.com/wskit/wskit/bench/paired"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == echoserver.Child {
		exit(echoserver.Serve(os.Args[2:], os.Stdin, os.Stdout))
	}
	var b bench
	var out string
	flag.IntVar(&b.rounds, "rounds", 5, "measure each server `N` times")
	flag.IntVar(&b.messages, "messages", 20000, "`number` of messages in each round, or of batches")
	flag.IntVar(&b.most, "most", 9900, "open at most `N` connections, whatever a scenario asks for")
	flag.StringVar(&b.lib, "lib", "", "measure wskit-loop and the servers with one of these `names`, separated by commas")
	flag.StringVar(&b.only, "only", "", "run the scenarios that have this `text` in them")
	flag.StringVar(&out, "o", "", "also write the tables to this `file`, as Markdown")
	flag.Func("server", "measure another program, as `name=path`", func(s string) error {
		name, path, ok := strings.Cut(s, "=")
		if !ok {
			return fmt.Errorf("write name=path")
		}
		b.programs = append(b.programs, contender{name, path})
		return nil
	})
	flag.Parse()
	b.out = os.Stdout
	if out != "" {
		f, err := os.Create(out)
		if err != nil {
			exit(err)
		}
		b.out = io.MultiWriter(os.Stdout, f)
	}
	exit(b.run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "loops:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

type bench struct {
	rounds, messages int
	most             int
	lib, only        string
	programs         []contender
	out              io.Writer
}

// reference is the server that the others are compared with.
const reference = "wskit-loop"

var names = []string{reference, "tcp", "wskit-websocket", "wskit-protocol", "gnet-protocol", "nbio", "gws", "coder", "gorilla"}

// contenders returns the servers, the reference first, and also those named
// in others.
func (b *bench) contenders(others ...string) (all []contender) {
	for _, name := range slices.Insert(slices.Clone(names), 1, others...) {
		all = append(all, contender{name: name})
	}
	all = append(all, b.programs...)
	return slices.DeleteFunc(all, func(c contender) bool {
		return b.lib != "" && c.name != reference && !slices.Contains(strings.Split(b.lib, ","), c.name)
	})
}

func (b *bench) run() error {
	runtime.GOMAXPROCS(1)
	if n := runtime.NumCPU(); n > 1 {
		var cpus unix.CPUSet
		cpus.Set(n - 1)
		unix.SchedSetaffinity(0, &cpus)
	}
	fmt.Fprintf(b.out, `# Servers with very many connections

%s of %s: %s, %s/%s, %d processors, %d rounds of %d messages.
A server is a process with one processor, and the load has another. A figure is the median of the
rounds, and a ratio is the median of the ratios to wskit-loop in the same round: above 1, a server
needs more CPU time for a message than package wsloop does. The server tcp has a goroutine for each
connection that sends back what it reads, without WebSocket. wskit-websocket is package websocket,
wskit-protocol has a goroutine for each connection that drives wsutil.Protocol, and gnet-protocol
drives it by gnet. With more than 1,000 connections, each server runs alone beside wskit-loop, and
the row of wskit-loop is of the first pair.
`, "`make bench-loop`",
		time.Now().Format(time.DateOnly), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), b.rounds, b.messages)
	for _, conns := range []int{100, 5000} {
		for _, size := range []int{64, 1 << 10, 16 << 10} {
			for _, pipeline := range []int{1, 16} {
				if pipeline > 1 && (conns > 100 || size > 1<<10) {
					continue
				}
				if err := b.echo(min(conns, b.most), size, pipeline); err != nil {
					return err
				}
			}
		}
	}
	for _, f := range []func() error{
		b.broadcast, b.fairness,
		func() error { return b.memory(echoserver.Options{Size: memorySize}) },
		func() error { return b.memory(echoserver.Options{Size: memorySize, TLS: true}) },
	} {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// wanted reports whether a scenario is selected. If it is, wanted prints its
// title.
func (b *bench) wanted(title string) bool {
	if !strings.Contains(title, b.only) {
		return false
	}
	fmt.Fprintf(b.out, "\n## %s\n\n", title)
	return true
}

// running is a server under load with the results of each round.
type running struct {
	contender
	*server
	*swarm
	cost  []float64 // µs of CPU for a message
	load  []float64 // the same of the load
	ratio []float64 // of the cost to that of the reference in the same round
}

func (b *bench) start(c contender, pattern echoserver.Pattern, conns, size, pipeline int) (*running, error) {
	s, err := c.start(pattern, echoserver.Options{Size: (size + 64) * pipeline})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	library := c.name
	text := slices.Repeat([]byte("x"), size)
	swarm, err := newSwarm(s.addr, library, conns, text, pipeline)
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	return &running{contender: c, server: s, swarm: swarm}, nil
}

func (r *running) end() {
	r.swarm.close()
	r.server.stop()
}

// measure measures rounds of f, which sends the given number of messages.
func (b *bench) measure(all []*running, messages int, f func(r *running) error) error {
	for range b.rounds {
		for _, r := range all {
			before, err := cpu(r.pid)
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			mine := echoserver.CPU()
			if err := f(r); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			mine = echoserver.CPU() - mine
			after, err := cpu(r.pid)
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			r.cost = append(r.cost, float64(after-before)/1e3/float64(messages))
			r.load = append(r.load, float64(mine)/1e3/float64(messages))
			i := len(r.cost) - 1
			r.ratio = append(r.ratio, r.cost[i]/all[0].cost[i])
		}
	}
	return nil
}

// costs prints the results of servers.
func (b *bench) costs(all []*running) {
	b.table("server\tµs CPU/message\tof wskit-loop\tlowest\thighest\tµs of the load", func(row func(...any)) {
		for _, r := range all {
			row(r.name, decimal(paired.Median(r.cost)), decimal(paired.Median(r.ratio)), decimal(slices.Min(r.ratio)), decimal(slices.Max(r.ratio)), decimal(paired.Median(r.load)))
		}
	})
}

func decimal(x float64) string { return fmt.Sprintf("%.2f", x) }

// table prints a table of Markdown.
func (b *bench) table(head string, rows func(row func(...any))) {
	w := tabwriter.NewWriter(b.out, 0, 0, 1, ' ', 0)
	defer w.Flush()
	columns := strings.Split(head, "\t")
	fmt.Fprintln(w, "| "+strings.Join(columns, "\t| ")+"\t|")
	fmt.Fprintln(w, "|"+strings.Repeat("---\t|", len(columns)))
	rows(func(cells ...any) {
		for _, c := range cells {
			fmt.Fprintf(w, "| %v\t", c)
		}
		fmt.Fprintln(w, "|")
	})
}
