package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/hubproto"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/reconnect"
)

const topic = "room.1"

// load has clients that subscribe, and clients that publish each number from 0
// to messages-1 once.
type load struct {
	nodes                         []string
	clients, publishers, messages int

	next      atomic.Int64 // the next number
	published atomic.Int64
	changed   chan struct{} // something has arrived
}

// run returns an error unless each client has got each message once.
func (l *load) run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.changed = make(chan struct{}, 1)
	listeners := make([]*listener, l.clients)
	for i := range listeners {
		listeners[i] = &listener{load: l, counts: make([]int, l.messages)}
		c := l.client(i)
		if err := c.Subscribe(topic, nil, listeners[i].take); err != nil {
			return err
		}
		go c.Run(ctx)
	}
	if err := l.wait(ctx, listeners, func(ls *listener) bool { return ls.live.Load() }); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d clients listen\n", l.clients)
	var publishing sync.WaitGroup
	for i := range l.publishers {
		publishing.Go(func() { l.publish(ctx, l.client(i), out) })
	}
	publishing.Wait()
	fmt.Fprintf(out, "published %d messages\n", l.published.Load())
	if err := l.wait(ctx, listeners, func(ls *listener) bool { return int(ls.got.Load()) >= l.messages }); err != nil {
		return errors.Join(err, l.verdict(listeners, out))
	}
	return l.verdict(listeners, out)
}

// client returns a client that begins at node i, and tries the next node when
// it cannot connect.
func (l *load) client(i int) *hubproto.Client {
	at := i
	return hubproto.NewClient(l.nodes[0], &hubproto.ClientOptions{Reconnect: reconnect.Options{
		Dial: func(ctx context.Context, _ string, o *websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
			url := l.nodes[at%len(l.nodes)]
			at++ // for the next time
			return websocket.Dial(ctx, url, o)
		},
		DialTimeout: 2 * time.Second,
		MaxDelay:    time.Second,
	}})
}

// publish publishes numbers until none is left. It publishes a number that may
// not have arrived again with the same ID.
func (l *load) publish(ctx context.Context, c *hubproto.Client, out io.Writer) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go c.Run(ctx)
	for {
		n := l.next.Add(1) - 1
		if n >= int64(l.messages) {
			return
		}
		for {
			once, cancel := context.WithTimeout(ctx, 10*time.Second)
			_, err := c.Publish(once, topic, n, &hubproto.PublishOptions{Once: fmt.Sprint(n)})
			cancel()
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		if done := l.published.Add(1); done%100 == 0 {
			fmt.Fprintf(out, "%d of %d\n", done, l.messages)
		}
	}
}

// wait waits until done is true for all.
func (l *load) wait(ctx context.Context, listeners []*listener, done func(*listener) bool) error {
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	for _, ls := range listeners {
		for !done(ls) {
			select {
			case <-l.changed:
			case <-late.C:
				return errors.New("not everything has arrived within a minute")
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// verdict prints the counts of the clients.
func (l *load) verdict(listeners []*listener, out io.Writer) error {
	var lost, twice, unordered, gaps, resumed int
	for _, ls := range listeners {
		ls.mu.Lock()
		for _, count := range ls.counts {
			if count == 0 {
				lost++
			} else if count > 1 {
				twice++
			}
		}
		unordered += ls.unordered
		gaps += ls.gaps
		resumed += ls.lives - 1
		ls.mu.Unlock()
	}
	fmt.Fprintf(out, "%d clients, %d messages each: %d lost, %d twice, %d out of order, %d gaps; clients have resumed %d times\n",
		l.clients, l.messages, lost, twice, unordered, gaps, resumed)
	if lost+twice+unordered+gaps > 0 {
		return errors.New("not every client has got every message once and in order")
	}
	return nil
}

// listener is a client that counts.
type listener struct {
	*load
	live atomic.Bool
	got  atomic.Int64

	mu                     sync.Mutex
	counts                 []int // number of arrivals of each number
	last                   hub.Position
	unordered, gaps, lives int
}

// take handles an event of the subscription.
func (ls *listener) take(e hubproto.Event) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	switch e.Kind {
	case hubproto.Live:
		ls.lives++
		ls.live.Store(true)
	case hubproto.Gap:
		ls.gaps++
	case hubproto.Message:
		var n int
		if json.Unmarshal(e.Data, &n) != nil || n < 0 || n >= len(ls.counts) {
			return
		}
		if e.At.Epoch == ls.last.Epoch && e.At.Offset <= ls.last.Offset {
			ls.unordered++
		}
		ls.last = e.At
		if ls.counts[n]++; ls.counts[n] == 1 {
			ls.got.Add(1)
		}
	}
	select {
	case ls.changed <- struct{}{}:
	default:
	}
}
