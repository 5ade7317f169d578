package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wsjson"
)

// mostHistory is the number of events that the server keeps.
const mostHistory = 1000

// closeTooFarBehind is the close code for subscribers that missed events which
// the server no longer has.
const closeTooFarBehind websocket.StatusCode = 4000

// feed holds events and wakes goroutines that wait for the next one. The zero
// value is ready to use.
type feed struct {
	mu      sync.Mutex
	events  []event       // the last events, in order
	number  int           // of the last event
	changed chan struct{} // closed by the next publish
}

func (f *feed) publish(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.number++
	f.events = append(f.events, event{f.number, text})
	if len(f.events) > mostHistory {
		f.events = append([]event(nil), f.events[len(f.events)-mostHistory:]...)
	}
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// after returns the events after a number, or a channel that is closed when
// there are any. ok is false if some of the events are no longer stored, or if
// the number was never used.
func (f *feed) after(number int) (events []event, changed <-chan struct{}, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	missing := f.number - number
	if number < 0 || missing < 0 || missing > len(f.events) {
		return nil, nil, false
	}
	if missing == 0 && f.changed == nil {
		f.changed = make(chan struct{})
	}
	return f.events[len(f.events)-missing:], f.changed, true
}

// send sends events to c until it leaves. A slow subscriber does not delay
// others: it has a position in the events instead of a queue.
func (f *feed) send(ctx context.Context, c *websocket.Conn) error {
	var s subscription
	if err := wsjson.Read(ctx, c, &s); err != nil {
		return err
	}
	ctx = c.CloseRead(ctx) // no more messages are expected
	for {
		events, changed, ok := f.after(s.After)
		if !ok {
			return c.Close(closeTooFarBehind, "events are gone")
		}
		for _, e := range events {
			if err := wsjson.Write(ctx, c, e); err != nil {
				return err
			}
			s.After = e.Number
		}
		if len(events) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// run serves until ctx ends.
func (f *feed) run(ctx context.Context, ln net.Listener) error {
	group := websocket.Group{Code: websocket.StatusServiceRestart, Jitter: 100 * time.Millisecond}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /feed", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{
			Group:        &group,
			WriteTimeout: 10 * time.Second,
		}})
		if err != nil {
			return // the client has its answer
		}
		defer c.CloseNow()
		f.send(r.Context(), c)
	})
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(group.Shutdown(grace), server.Shutdown(grace))
}
