package websocket

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// bufferedPipe is net.Pipe with room for all that is written, as a socket has for some.
func bufferedPipe() (a, b net.Conn) {
	x, y := newQueue(), newQueue()
	return &pipeEnd{r: x, w: y}, &pipeEnd{r: y, w: x}
}

type queue struct {
	mu       sync.Mutex
	p        []byte
	closed   bool
	deadline time.Time
	changed  chan struct{}
}

func newQueue() *queue { return &queue{changed: make(chan struct{})} }

func (q *queue) change() {
	close(q.changed)
	q.changed = make(chan struct{})
}

type pipeEnd struct{ r, w *queue }

func (e *pipeEnd) Read(p []byte) (int, error) {
	for {
		q := e.r
		q.mu.Lock()
		n := copy(p, q.p)
		q.p = q.p[n:]
		late := !q.deadline.IsZero() && !time.Now().Before(q.deadline)
		closed, changed := q.closed, q.changed
		q.mu.Unlock()
		switch {
		case late:
			return n, os.ErrDeadlineExceeded
		case n > 0:
			return n, nil
		case closed:
			return 0, io.EOF
		}
		<-changed
	}
}

func (e *pipeEnd) Write(p []byte) (int, error) {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	if e.w.closed {
		return 0, io.ErrClosedPipe
	}
	e.w.p = append(e.w.p, p...)
	e.w.change()
	return len(p), nil
}

func (e *pipeEnd) Close() error {
	for _, q := range []*queue{e.r, e.w} {
		q.mu.Lock()
		q.closed = true
		q.change()
		q.mu.Unlock()
	}
	return nil
}

func (e *pipeEnd) SetReadDeadline(t time.Time) error {
	q := e.r
	q.mu.Lock()
	defer q.mu.Unlock()
	q.deadline = t
	q.change()
	return nil
}

func (e *pipeEnd) SetWriteDeadline(time.Time) error { return nil }
func (e *pipeEnd) SetDeadline(t time.Time) error    { return e.SetReadDeadline(t) }
func (e *pipeEnd) LocalAddr() net.Addr              { return unknownAddr{} }
func (e *pipeEnd) RemoteAddr() net.Addr             { return unknownAddr{} }
