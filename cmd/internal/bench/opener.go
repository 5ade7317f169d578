package bench

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/wskit/wskit/ws"
)

// opener opens the connections of a load, with a limit on concurrent
// handshakes, and measures them.
type opener struct {
	slots chan struct{}

	mu             sync.Mutex // guards the fields below
	latency        *hdrhistogram.Histogram
	opened, failed int64
	first, last    time.Duration // when the first handshake began and the last one was complete
}

func (o *opener) init(atOnce int) {
	o.slots = make(chan struct{}, atOnce)
	o.latency = newHistogram()
	o.first = -1
}

// connect opens the connection with number index.
func (l *load) connect(ctx context.Context, index int) (net.Conn, ws.Handshake, error) {
	o := &l.opener
	select {
	case o.slots <- struct{}{}:
	case <-l.over:
		return nil, ws.Handshake{}, context.Canceled
	}
	defer func() { <-o.slots }()
	began := l.now()
	conn, hs, err := l.dial(ctx, index)
	ended := l.now()

	o.mu.Lock()
	defer o.mu.Unlock()
	if o.first < 0 {
		o.first = began
	}
	if err != nil {
		o.failed++
		return nil, hs, err
	}
	o.opened++
	o.last = ended
	record(o.latency, ended-began)
	l.open.Add(1)
	return conn, hs, nil
}
