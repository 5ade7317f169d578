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
		if c.onPing == nil || c.callPing(ctx, ev.Payload) {
			c.reply(ctx, ws.OpPong, ev.Payload)
		}
	case ws.OpPong:
		c.pong(ev.Payload)
		if c.onPong != nil {
			c.callPong(ctx, ev.Payload)
		}
	case ws.OpClose:
		return c.peerClosed(ctx, ev)
	}
	return nil
}

func (c *Conn) callPing(ctx context.Context, p []byte) bool {
	defer c.calls()()
	return c.onPing(ctx, p)
}

func (c *Conn) callPong(ctx context.Context, p []byte) {
	defer c.calls()()
	c.onPong(ctx, p)
}

// calls is to be called before a function of the caller's by who has the turn to read; what it
// returns is to be deferred. If the function panics, the turn is given up.
func (c *Conn) calls() func() {
	c.calling.Store(true)
	return func() {
		c.calling.Store(false)
		if p := recover(); p != nil {
			c.endRead()
			panic(p)
		}
	}
}
