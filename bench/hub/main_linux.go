package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/wskit/wskit/internal/child"
)

func main() {
	if len(os.Args) == 4 && os.Args[1] == childArg {
		if err := serve(os.Args[2], os.Args[3] == "true", os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.IntVar(&o.receivers, "receivers", 5000, "receivers of one topic, and of topics with five each")
	flag.IntVar(&o.deliveries, "deliveries", 2_000_000, "deliveries of a run")
	flag.StringVar(&o.only, "only", "", "measure one library")
	flag.BoolVar(&o.nodes, "nodes", true, "also measure brokers between nodes")
	write := flag.String("write", "", "file to write the tables to")
	flag.Parse()
	var table bytes.Buffer
	err := o.run(io.MultiWriter(os.Stdout, &table))
	if err == nil && *write != "" {
		err = os.WriteFile(*write, table.Bytes(), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "hub:", err)
		os.Exit(1)
	}
}

type options struct {
	receivers, deliveries int
	only                  string
	nodes                 bool
}

// run measures all libraries and prints tables.
func (o *options) run(out io.Writer) error {
	machine, _ := exec.Command("sh", "-c", "grep -m1 'model name' /proc/cpuinfo | cut -d: -f2; nproc").Output()
	fmt.Fprintf(out, `# Hubs: one message to many receivers

%s of %s: %s, %d receivers, 64 bytes, %d deliveries in a run.
A delivery is a message to one receiver. Throughput is deliveries in a second of the server's CPU
time: it publishes as fast as all receivers receive. In brackets is the same of the clients: where
their cost differs, a server has written several messages at once. The delay is measured at half of
the throughput, first with receivers that all read, then with one in ten that never does.

`, "`make bench-hub`", time.Now().Format(time.DateOnly), strings.Join(strings.Fields(string(machine)+" processors"), " "), o.receivers, o.deliveries)
	fmt.Fprintln(out, "| library | 1 topic | (clients) | p99 of the delay | 1 in 10 stalled | 1 topic, compressed | topics with 5 receivers | bytes of a subscription |")
	fmt.Fprintln(out, "|---|---:|---:|---:|---:|---:|---:|---:|")
	for _, l := range libraries {
		if o.only != "" && o.only != l.name {
			continue
		}
		if err := o.measure(out, l); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
	}
	if !o.nodes {
		return nil
	}
	return measureNodes(out)
}

// measure prints the row of a library.
func (o *options) measure(out io.Writer, l library) error {
	one, err := o.throughput(l, 1, false)
	if err != nil {
		return err
	}
	half := min(max(int(one.wall/2)/o.receivers, 1), 200) // sleeps are not precise enough for more
	calm, err := o.latency(l, half, false)
	if err != nil {
		return err
	}
	stalled, err := o.latency(l, half, true)
	if err != nil {
		return err
	}
	compressed, err := o.throughput(l, 1, true)
	if err != nil {
		return err
	}
	many, err := o.throughput(l, max(o.receivers/5, 1), false)
	if err != nil {
		return err
	}
	memory, err := o.memory(l)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "| %s | %.0f k | (%.0f k) | %v | %v | %.0f k | %.0f k | %s |\n", l.name,
		one.server/1000, one.clients/1000, calm, stalled,
		compressed.server/1000, many.server/1000, memory)
	return nil
}

// session is a process and its clients.
type session struct {
	*child.Process
	*clients
}

func (o *options) open(l library, topics int, compress, stalled bool) (*session, error) {
	p, err := start(l.name, compress)
	if err != nil {
		return nil, err
	}
	c, err := newClients()
	s := &session{p, c}
	for i := 0; err == nil && i < o.receivers; i++ {
		err = c.dial(p.Addr, fmt.Sprint("t", i%topics), l.hello, compress, stalled && i%10 == 9)
	}
	for ready := 0; err == nil && ready < o.receivers; time.Sleep(10 * time.Millisecond) {
		err = p.Ask("ready", &ready)
	}
	if err != nil {
		s.end()
		return nil, err
	}
	if l.hello != "" { // the answer to it is a frame
		err = c.until(int64(len(c.conns)))
	}
	return s, err
}

func (s *session) end() {
	s.clients.close()
	s.Stop()
}

// result is deliveries per second of the server's CPU time, of the clients' CPU
// time, and of time.
type result struct{ server, clients, wall float64 }

// window is the number of messages to a topic in flight: less than the capacity
// of any queue.
const window = 8

// throughput publishes as fast as the receivers receive.
func (o *options) throughput(l library, topics int, compress bool) (r result, err error) {
	s, err := o.open(l, topics, compress, false)
	if err != nil {
		return r, err
	}
	defer s.end()
	rounds := max(o.deliveries/(window*o.receivers), 2)
	var before, after, heap int64
	var began time.Time
	var own int64
	for i := range rounds + 1 {
		if i == 1 { // the first one warms up
			s.Ask("usage", &before, &heap)
			began, own = time.Now(), cpuTime()
		}
		frames := s.frames
		failed := 0
		if err := s.Ask(fmt.Sprintf("publish %d %d 0", topics, window), &failed); err != nil || failed > 0 {
			return r, fmt.Errorf("%d not published: %w", failed, err)
		}
		if err := s.until(frames + int64(window*o.receivers)); err != nil {
			return r, err
		}
	}
	wall, clients := time.Since(began), cpuTime()-own
	s.Ask("usage", &after, &heap)
	n := float64(rounds * window * o.receivers)
	return result{n / float64(after-before) * 1e9, n / float64(clients) * 1e9, n / wall.Seconds()}, nil
}

// lateness is how late messages are, and the part of them that never came.
type lateness struct {
	p99  time.Duration
	lost float64
}

func (l lateness) String() string {
	text := l.p99.Round(10 * time.Microsecond).String()
	if l.lost > 0 {
		text += fmt.Sprintf(", %.2g %% lost", 100*l.lost)
	}
	return text
}

// latency returns the 99th percentile of the delay at a rate. Libraries that
// drop messages for a receiver that is slow for a moment lose some.
func (o *options) latency(l library, rate int, stalled bool) (late lateness, err error) {
	s, err := o.open(l, 1, false, stalled)
	if err != nil {
		return late, err
	}
	defer s.end()
	count := min(max(3*rate, 20), max(o.deliveries/o.receivers, 20))
	frames := s.frames
	done := make(chan error, 1)
	go func() {
		failed := 0
		done <- s.Ask(fmt.Sprintf("publish 1 %d %d", count, rate), &failed)
	}()
	err = s.until(frames + int64(count*len(s.conns)))
	if lost, ok := errors.AsType[*lostError](err); ok {
		late.lost, err = float64(lost.want-lost.came)/float64(count*len(s.conns)), nil
	}
	if err != nil {
		return late, err
	}
	late.p99 = s.percentile(0.99)
	return late, <-done
}

// memory returns the heap size of a subscription, for a thousand connections
// with a hundred topics each.
func (o *options) memory(l library) (string, error) {
	few := options{receivers: min(o.receivers, 1000)}
	s, err := few.open(l, 1, false, false)
	if err != nil {
		return "", err
	}
	defer s.end()
	const topics = 100
	var cpu, before, after int64
	var can bool
	s.Ask("usage", &cpu, &before)
	if err := s.Ask(fmt.Sprint("more ", topics), &can); err != nil {
		return "", err
	}
	if !can {
		return "none", nil
	}
	if err := s.Ask("usage", &cpu, &after); err != nil {
		return "", err
	}
	return fmt.Sprint((after - before) / int64(topics*few.receivers)), nil
}
