package websocket

import (
	"context"
	"errors"
	"time"

	"github.com/wskit/wskit/ws"
)

// closeRead is the goroutine of a CloseRead.
type closeRead struct {
	ctx  context.Context
	done chan struct{} // closed when the goroutine is about to end
}

// CloseRead is for a connection on which no message is expected: it starts a goroutine
// that reads, so that pings are answered, pongs noticed and the closing handshake is done,
// while the caller writes, pings and closes. A message closes the connection with
// [StatusPolicyViolation].
//
// The context it returns ends with ctx, and when the connection does: the cause says why
// then. The goroutine ends with either; if ctx ends, the connection stays open. A second
// call returns the same context, unless that has ended: then it is as the first one. Other
// reads get [ErrConcurrentRead]; one that is under way is waited for.
func (c *Conn) CloseRead(ctx context.Context) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.closeRead; r != nil && r.ctx.Err() == nil {
		return r.ctx
	}
	ctx, cancel := context.WithCancelCause(ctx)
	r := &closeRead{ctx: ctx, done: make(chan struct{})}
	c.closeRead = r
	begun := ctx.Err() == nil && c.reader.take() // so that who reads from here on is refused
	go func() {
		err := errPanicked
		defer close(r.done)
		defer func() { cancel(err) }()
		err = c.readNoMessage(ctx, begun)
	}()
	return ctx
}

var errUnexpectedMessage = errors.New("websocket: unexpected data message")

// readNoMessage reads until the connection or ctx ends. If begun, the turn to read is held.
func (c *Conn) readNoMessage(ctx context.Context, begun bool) error {
	for {
		free := c.wantReader()
		var err error
		if !begun {
			err = c.beginRead(ctx)
		}
		begun = false
		if err == nil {
			_, err = c.openMessage(ctx)
		}
		switch {
		case err == nil:
			c.handshake(ws.StatusPolicyViolation, "unexpected data message")
			return errUnexpectedMessage
		case err != ErrConcurrentRead:
			c.reader.tell()
			return err
		}
		select {
		case <-free:
		case <-c.done:
		case <-ctx.Done():
		}
	}
}

// awaitCloseRead waits until the given time for the goroutine of CloseRead, unless it may be
// the caller's own.
func (c *Conn) awaitCloseRead(until int64) {
	c.mu.Lock()
	r := c.closeRead
	c.mu.Unlock()
	if r == nil || c.calling.Load() || c.observers.Load() > 0 {
		return
	}
	timer := time.NewTimer(time.Duration(until - now()))
	defer timer.Stop()
	select {
	case <-r.done:
	case <-timer.C:
	}
}
