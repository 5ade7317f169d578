//go:build linux

package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/wskit/wskit/bench/echoserver"
)

// echo measures echoed messages.
func (b *bench) echo(conns, size, pipeline int) error {
	title := fmt.Sprintf("echo of %d bytes, %d connections", size, conns)
	if pipeline > 1 {
		title += fmt.Sprintf(", %d messages at once", pipeline)
	}
	if !b.wanted(title) {
		return nil
	}
	if conns > 1000 { // limited descriptors: one server after another, each with the reference
		return b.pairs(b.contenders()[1:], b.messages,
			func(c contender) (*running, error) { return b.start(c, c.pattern(), conns, size, pipeline) },
			func(r *running) error { return r.echo(b.messages, pipeline) })
	}
	var all []*running
	defer func() {
		for _, r := range all {
			r.end()
		}
	}()
	for _, c := range b.contenders() {
		r, err := b.start(c, c.pattern(), conns, size, pipeline)
		if err != nil {
			return err
		}
		all = append(all, r)
		if err := r.echo(10*conns, pipeline); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	messages := b.messages * pipeline // rounds of equal length: the runtime's monitor costs more in a short one
	if err := b.measure(all, messages, func(r *running) error { return r.echo(messages, pipeline) }); err != nil {
		return err
	}
	b.costs(all)
	return nil
}

// pairs measures each server with the reference, so that the load holds
// connections of only two servers. Of the reference, the table has what it
// cost beside the first of them.
func (b *bench) pairs(others []contender, messages int, start func(contender) (*running, error), f func(r *running) error) error {
	var all []*running
	for _, c := range others {
		pair, err := b.pair(b.contenders()[0], c, messages, start, f)
		if err != nil {
			return err
		}
		if len(all) > 0 {
			pair = pair[1:]
		}
		all = append(all, pair...)
	}
	b.costs(all)
	return nil
}

func (b *bench) pair(reference, c contender, messages int, start func(contender) (*running, error), f func(r *running) error) ([]*running, error) {
	var all []*running
	for _, c := range []contender{reference, c} {
		r, err := start(c)
		if err != nil {
			return nil, err
		}
		defer r.end()
		all = append(all, r)
		if err := f(r); err != nil { // warm
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return all, b.measure(all, messages, f)
}

// broadcast measures one message to all connections.
func (b *bench) broadcast() error {
	conns, size := min(5000, b.most), 64
	if !b.wanted(fmt.Sprintf("broadcast of %d bytes to %d connections", size, conns)) {
		return nil
	}
	others := slices.DeleteFunc(b.contenders()[1:], func(c contender) bool { return !c.broadcasts() })
	rounds := max(b.messages/conns, 4)
	return b.pairs(others, rounds*conns, func(c contender) (*running, error) {
		r, err := b.start(c, echoserver.Broadcast, conns, size, 1)
		if err != nil {
			return nil, err
		}
		if err := r.gather(); err != nil {
			r.end()
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		return r, nil
	}, func(r *running) error { return r.swarm.broadcast(rounds) })
}

// fairness measures the effect of one flooding connection on the others.
func (b *bench) fairness() error {
	const size, every = 64, 200 * time.Microsecond
	conns := min(1000, b.most)
	if !b.wanted(fmt.Sprintf("fairness: %d connections that ping, each %v one, and one that floods", conns-1, every)) {
		return nil
	}
	var failed error
	b.table("server\tp50 alone\tp99 alone\tp50 with flood\tp99 with flood\tratio of p99", func(row func(...any)) {
		for _, c := range b.contenders() {
			var cells []any
			var p99 [2]time.Duration
			for i, flood := range []bool{false, true} {
				r, err := b.start(c, c.pattern(), conns, size, 1)
				if err != nil {
					failed = err
					return
				}
				took, err := r.fair(b.messages/2, every, flood)
				r.end()
				if err != nil {
					failed = fmt.Errorf("%s: %w", c.name, err)
					return
				}
				p99[i] = took[len(took)*99/100]
				cells = append(cells, took[len(took)/2].Round(time.Microsecond), p99[i].Round(time.Microsecond))
			}
			row(append(append([]any{c.name}, cells...), decimal(float64(p99[1])/float64(p99[0])))...)
		}
	})
	return failed
}

// memorySize is the size of the messages of [bench.memory].
const memorySize = 64

// memory measures the memory of idle connections, and the cost of garbage
// collection while they echo. wskit-loop-goroutines is wskit-loop without the
// poller of the system.
func (b *bench) memory(o echoserver.Options) error {
	conns, with := min(9900, b.most), ""
	if o.TLS {
		with = " with TLS"
	}
	if !b.wanted(fmt.Sprintf("%d connections%s: memory while they wait, garbage collection while they echo", conns, with)) {
		return nil
	}
	var failed error
	b.table("server\tRSS a connection\theap\tstack\tGC share\tGC cycles\tlongest pause\tone collection", func(row func(...any)) {
		for _, c := range b.contenders("wskit-loop-goroutines") {
			if !c.takes(o) {
				continue
			}
			cells, err := b.hold(c, o, conns)
			if err != nil {
				failed = fmt.Errorf("%s: %w", c.name, err)
				return
			}
			row(append([]any{c.name}, cells...)...)
		}
	})
	return failed
}

// load sends messages and receives their echoes.
type load interface {
	echo(messages, pipeline int) error
	close()
}

func newLoad(addr, library string, o echoserver.Options, conns int) (load, error) {
	text := make([]byte, o.Size)
	if o.TLS {
		return newCrowd(addr, library, o, conns, text)
	}
	return newSwarm(addr, library, conns, text, 1)
}

func (b *bench) hold(c contender, o echoserver.Options, conns int) (cells []any, err error) {
	s, err := c.start(c.pattern(), o)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	collect := func() (u echoserver.Usage) {
		if s.in != nil && err == nil {
			u, err = s.in.Memory()
		}
		return u
	}
	empty := collect()
	before, failed := rss(s.pid)
	if failed != nil {
		return nil, failed
	}
	load, failed := newLoad(s.addr, c.name, o, conns)
	if failed != nil {
		return nil, failed
	}
	defer load.close()
	if err := load.echo(conns, 1); err != nil {
		return nil, err
	}
	full := collect()
	after, failed := rss(s.pid)
	if failed != nil {
		return nil, failed
	}
	n := int64(conns)
	cells = append(cells, (after-before)/n)
	if s.in == nil {
		return append(cells, "", "", "", "", "", ""), nil
	}
	start, failed := s.in.CPU()
	if failed != nil {
		return nil, failed
	}
	if err := load.echo(5*b.messages, 1); err != nil {
		return nil, err
	}
	end, failed := s.in.CPU()
	if failed != nil {
		return nil, failed
	}
	forced := collect()
	share := float64(end.GC-start.GC) / float64(end.CPU-start.CPU)
	one := time.Duration(forced.CPU-end.CPU) / 3 // as often it collects
	return append(cells, (full.Heap-empty.Heap)/n, (full.Stack-empty.Stack)/n,
		fmt.Sprintf("%.1f %%", 100*share), end.Cycles-start.Cycles, time.Duration(end.Pause), one.Round(time.Microsecond)), err
}
