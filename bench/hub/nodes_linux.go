package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/natsbroker"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// counting is a receiver at a node in this process.
type counting struct {
	got  atomic.Int64
	late []time.Duration
}

func (c *counting) Deliver(m *hub.Message) (wsutil.SendResult, error) {
	if at, err := strconv.ParseInt(string(m.Payload[7:26]), 10, 64); err == nil {
		c.late = append(c.late, time.Duration(time.Now().UnixNano()-at))
	}
	c.got.Add(1)
	return wsutil.SendQueued, nil
}

func (c *counting) Replay(_ context.Context, m *hub.Message) error {
	_, err := c.Deliver(m)
	return err
}
func (c *counting) Buffered() int                     { return 0 }
func (c *counting) Close(ws.StatusCode, string) error { return nil }

// measureNodes prints the overhead of three nodes on this machine: servers in
// this process, each with a receiver.
func measureNodes(out io.Writer) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	hubs, stop, err := cluster(ctx, 3)
	if err != nil {
		return err
	}
	defer stop()
	fmt.Fprintln(out, "\n## Three nodes on this machine\n\nNATS runs in the process. A message is published at one node and received at all.\n\n| topic | messages a second | p50 of the delay, one at a time | p99 |\n|---|---:|---:|---:|")
	local := []*hub.Hub{hub.New(nil)}
	for _, row := range []struct {
		name, topic string
		hubs        []*hub.Hub
		publishers  int
	}{
		{"in memory, one node", "live.1", local, 1},
		{"without history", "live.1", hubs, 1},
		{"with history, 3 replicas in memory", "kept.1", hubs, 64},
	} {
		if err := measureTopic(ctx, out, row.name, row.topic, row.hubs, row.publishers); err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
	}
	return nil
}

// cluster starts nodes.
func cluster(ctx context.Context, n int) (hubs []*hub.Hub, stop func(), err error) {
	var addrs []string
	var servers []*natsbroker.Server
	var held []net.Listener // until all addresses are known
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		held = append(held, ln)
		addrs = append(addrs, ln.Addr().String())
	}
	for _, ln := range held {
		ln.Close()
	}
	stop = func() {
		for _, s := range servers {
			s.Shutdown()
		}
	}
	for _, addr := range addrs {
		s, err := natsbroker.StartServer(natsbroker.ServerOptions{Listen: addr, Join: addrs})
		if err != nil {
			return nil, stop, err
		}
		servers = append(servers, s)
		b, err := natsbroker.New(natsbroker.Options{
			Server: s, Storage: jetstream.MemoryStorage,
			History: func(topic string) bool { return topic == "kept.1" },
		})
		if err != nil {
			return nil, stop, err
		}
		h := hub.New(&hub.Options{Broker: b, BrokerTimeout: 10 * time.Second})
		go h.Run(ctx)
		hubs = append(hubs, h)
	}
	return hubs, stop, nil
}

// measureTopic prints a row.
func measureTopic(ctx context.Context, out io.Writer, name, topic string, hubs []*hub.Hub, publishers int) error {
	var receivers []*counting
	for _, h := range hubs {
		c := new(counting)
		m, err := h.Join(c, nil)
		if err != nil {
			return err
		}
		if err := retry(ctx, func() error { _, err := m.Subscribe(ctx, topic, nil); return err }); err != nil {
			return err
		}
		receivers = append(receivers, c)
	}
	send := func() error {
		_, err := hubs[0].Publish(ctx, topic, hub.Publication{Payload: payload(time.Now())})
		return err
	}
	for receivers[len(receivers)-1].got.Load() == 0 { // until the subscription has reached all nodes
		if err := retry(ctx, send); err != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(time.Second)
	last := receivers[len(receivers)-1]
	last.late = nil
	for range 500 {
		before := last.got.Load()
		if err := send(); err != nil {
			return err
		}
		if err := arrived(last, before+1); err != nil {
			return err
		}
	}
	slices.Sort(last.late)
	p50, p99 := last.late[len(last.late)/2], last.late[len(last.late)*99/100]

	const messages = 50_000
	began, before := time.Now(), last.got.Load()
	errs := make(chan error, publishers)
	var next atomic.Int64
	for range publishers {
		go func() {
			for {
				n := next.Add(1)
				if n > messages {
					errs <- nil
					return
				}
				if err := send(); err != nil {
					errs <- err
					return
				}
				for publishers == 1 && n-(last.got.Load()-before) > 2000 { // NATS would drop messages
					time.Sleep(50 * time.Microsecond)
				}
			}
		}()
	}
	for range publishers {
		if err := <-errs; err != nil {
			return err
		}
	}
	if err := arrived(last, before+messages); err != nil {
		return err
	}
	fmt.Fprintf(out, "| %s | %.0f k | %v | %v |\n", name, messages/time.Since(began).Seconds()/1000,
		p50.Round(time.Microsecond), p99.Round(time.Microsecond))
	return nil
}

// arrived waits until a receiver has n messages.
func arrived(c *counting, n int64) error {
	for until := time.Now().Add(20 * time.Second); c.got.Load() < n; time.Sleep(20 * time.Microsecond) {
		if time.Now().After(until) {
			return fmt.Errorf("%d of %d messages have arrived", c.got.Load(), n)
		}
	}
	return nil
}

// retry calls f until it succeeds: a cluster takes seconds to form.
func retry(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := f()
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}
