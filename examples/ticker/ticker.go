// Package ticker sends the newest prices to very many subscribers. A slow
// subscriber gets only the newest price of each symbol. It is a program to
// copy.
package ticker

import (
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsloop"
	"github.com/wskit/wskit/wsutil"
)

// Ticker is a price server.
type Ticker struct {
	server *wsloop.Server

	mu          sync.Mutex
	subscribers map[*wsloop.Conn]struct{}
}

// New starts a ticker without listeners.
func New() (*Ticker, error) {
	t := &Ticker{subscribers: make(map[*wsloop.Conn]struct{})}
	server, err := wsloop.New(&wsloop.Config{
		KeepAlive:      time.Minute,
		MaxMessage:     1 << 10, // subscribers send little
		ShutdownSpread: 5 * time.Second,
		Queue:          wsutil.SendQueueOptions{MaxBytes: 16 << 10, Policy: wsutil.SendDropOldest},
	}, &wsloop.Handler{Open: t.subscribe, Close: t.leave})
	t.server = server
	return t, err
}

// Serve serves subscribers until the server is closed.
func (t *Ticker) Serve(l net.Listener) error { return t.server.Serve(l) }

// Server returns the server, to shut it down and to read its counters.
func (t *Ticker) Server() *wsloop.Server { return t.server }

func (t *Ticker) subscribe(c *wsloop.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.subscribers[c] = struct{}{}
}

func (t *Ticker) leave(c *wsloop.Conn, _ wsloop.End) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.subscribers, c)
}

// Publish sends a price to all subscribers and returns their number. It does
// not wait for them.
func (t *Ticker) Publish(symbol string, price float64) (int, error) {
	m, err := wsutil.NewPreparedMessage(ws.OpText, fmt.Appendf(nil, `{"symbol":%q,"price":%g}`, symbol, price))
	if err != nil {
		return 0, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.subscribers {
		c.SendPreparedKey(m, symbol)
	}
	return len(t.subscribers), nil
}
