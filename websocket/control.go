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
