package websocket

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/wskit/wskit/ws"
)

// closeReads is the state of CloseRead.
type closeReads struct {
	mu   sync.Mutex
	last *closeRead
}

// closeRead is the goroutine of a CloseRead.
type closeRead struct {
	ctx  context.Context
	done chan struct{} // closed when the goroutine is about to end
}

// CloseRead starts a goroutine that reads from a connection on which no
// messages are expected. It answers pings, notices pongs and completes the
// closing handshake, while the caller writes, pings and closes. A message
// closes the connection with [StatusPolicyViolation].
//
// The returned context ends with ctx or with the connection, and its cause says
// why. The goroutine then ends. If ctx ends, the connection stays open. A
// second call returns the same context, or starts again if that context has
// ended. Other reads return [ErrConcurrentRead]; CloseRead waits for a pending
// read. If ctx is nil, CloseRead starts nothing and returns a context that has
// ended. The cause of that context says that ctx is nil.
func (c *Conn) CloseRead(ctx context.Context) context.Context {
	if ctx == nil {
		return neverContext("read")
	}
	s := &c.closeReads
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.last; r != nil && r.ctx.Err() == nil {
		return r.ctx
	}
	ctx, cancel := context.WithCancelCause(ctx)
	r := &closeRead{ctx: ctx, done: make(chan struct{})}
	s.last = r
	begun := ctx.Err() == nil && c.read.take() // so that later reads are refused at once
	go func() {
		err := errExited
		defer close(r.done)
		defer func() { cancel(err) }()
		defer func() {
			if v := recover(); v != nil {
				c.panicked(v)
				err = c.ended().read
			}
		}()
		err = c.readNoMessage(ctx, begun)
	}()
	return ctx
}

var errUnexpectedMessage = errors.New("websocket: unexpected data message")

// readNoMessage reads until the connection or ctx ends. begun reports whether
// the read lock is held.
func (c *Conn) readNoMessage(ctx context.Context, begun bool) error {
	for {
		free := c.read.want()
		var err error
		if !begun {
			err = c.beginRead(ctx)
		}
		begun = false
		if err == nil {
			_, err = c.openMessage(ctx)
			err = c.endReadWith(err)
		}
		switch {
		case err == nil:
			c.handshake(ws.StatusPolicyViolation, "unexpected data message")
			return errUnexpectedMessage
		case err != ErrConcurrentRead:
			c.read.tell()
			return err
		}
		select {
		case <-free:
		case <-c.done:
		case <-ctx.Done():
		}
	}
}

// await waits until the given time for the goroutine of CloseRead to end,
// unless that goroutine may be the caller.
func (s *closeReads) await(c *Conn, until clockTime) {
	s.mu.Lock()
	r := s.last
	s.mu.Unlock()
	if r == nil || c.callbacks.running() {
		return
	}
	timer := time.NewTimer(until - now())
	defer timer.Stop()
	select {
	case <-r.done:
	case <-timer.C:
	}
}
