package websocket

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// control handles a control frame. An error means that the connection has
// ended, or that the read lock was taken over.
func (c *Conn) control(ctx context.Context, ev wsutil.Event) error {
	if c.observed() || c.opts.onPing != nil || c.opts.onPong != nil {
		b := bufpool.Get(ws.MaxControlFramePayloadSize) // the input may change while a callback runs
		defer b.Free()
		ev.Payload = append(b.B, ev.Payload...)
		if !c.tellControl(ev) {
			return errTakenOver
		}
	}
	switch ev.OpCode {
	case ws.OpPing:
		answer := true
		if f := c.opts.onPing; f != nil && !c.call(func() { answer = f(ctx, ev.Payload) }) {
			return errTakenOver
		}
		if answer {
			c.reply(ctx, ws.OpPong, ev.Payload)
		}
	case ws.OpPong:
		c.pings.pong(ev.Payload)
		if f := c.opts.onPong; f != nil && !c.call(func() { f(ctx, ev.Payload) }) {
			return errTakenOver
		}
	case ws.OpClose:
		return c.peerClosed(ctx, ev)
	}
	return nil
}

// reply sends a pong, or a ping of the keepalive. If the write lock is held, it
// leaves the frame to the holder. If it waited for the lock, two peers that
// both write without reading could wait for each other.
func (c *Conn) reply(ctx context.Context, op ws.OpCode, p []byte) {
	if !c.write.tryLock(forControl) && !c.write.lockOrLeave(op, p) {
		return
	}
	err := c.writeControl(ctx, op, p)
	c.unlock(0, 0)
	if err != nil && ctx.Err() != nil && c.protocol.Err() == nil && c.broken.Load() == nil {
		p := slices.Clone(p) // the reply outlives the input of the read
		go func() {
			defer c.guard()
			c.reply(context.Background(), op, p)
		}()
	}
}

// writeReplies writes the replies that were left to the holder of the write
// lock.
func (c *Conn) writeReplies(r wsutil.Replies) {
	for op, p := range r.All {
		c.writeControl(context.Background(), op, p)
	}
}

// writeControl sends a ping of the keepalive, or a pong, within a time limit.
// The write lock is held.
func (c *Conn) writeControl(ctx context.Context, op ws.OpCode, p []byte) error {
	if c.protocol.Err() != nil || c.broken.Load() != nil {
		return c.notLocked(ctx)
	}
	var room [maxPingID]byte
	var ping *ping
	if op == ws.OpPing {
		p, ping = c.pings.expect(room[:0], nil)
	}
	b := bufpool.Get(ws.MaxHeaderSize + len(p))
	defer b.Free()
	var out []byte
	var err error
	if op == ws.OpPing {
		out, err = c.protocol.AppendPing(b.B, p)
	} else {
		out, err = c.protocol.AppendPong(b.B, p)
	}
	if errors.Is(err, wsutil.ErrClosing) {
		return nil // the peer no longer waits for the pong
	}
	if err == nil {
		c.limitWrite(cmp.Or(c.opts.WriteTimeout, c.protocol.CloseTimeout()))
		err = c.transmit(ctx, out, intact)
		c.wrote()
	}
	if err == nil {
		c.countControl(op, true, 0)
		if op == ws.OpPing {
			c.pings.wrote(ping)
			c.schedule(c.protocol.PingSent)
		}
	}
	return err
}
