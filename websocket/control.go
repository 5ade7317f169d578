package websocket

import (
	"context"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// control acts on a control frame. An error has ended the connection.
func (c *Conn) control(ctx context.Context, ev wsutil.Event) error {
	if c.observed() {
		c.tellControl(ev)
	}
	switch ev.OpCode {
	case ws.OpPing:
		if c.opts.onPing == nil || c.callPing(ctx, ev.Payload) {
			c.reply(ctx, ws.OpPong, ev.Payload)
		}
	case ws.OpPong:
		c.pong(ev.Payload)
		if c.opts.onPong != nil {
			c.callPong(ctx, ev.Payload)
		}
	case ws.OpClose:
		return c.peerClosed(ctx, ev)
	}
	return nil
}

func (c *Conn) callPing(ctx context.Context, p []byte) (answer bool) {
	c.call(func() { answer = c.opts.onPing(ctx, p) })
	return answer
}

func (c *Conn) callPong(ctx context.Context, p []byte) {
	c.call(func() { c.opts.onPong(ctx, p) })
}

// call calls a function of the caller's for who has the turn to read. If f does not return, since
// it panics or ends the goroutine, the turn is given up.
func (c *Conn) call(f func()) {
	returned := false
	c.calling.Store(true)
	defer func() {
		c.calling.Store(false)
		if !returned {
			c.endRead()
		}
	}()
	f()
	returned = true
}

// callWritten calls a function of the caller's for who may have the turn to write. If f does not
// return, nor does that turn, and the connection is over.
func (c *Conn) callWritten(f func()) {
	returned := false
	c.observers.Add(1)
	defer func() {
		c.observers.Add(-1)
		if !returned {
			c.fail(failure{err: errPanicked})
		}
	}()
	f()
	returned = true
}
