package websocket

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// reply sends a control frame on behalf of the reader. It does not wait for the turn to
// write, or else two peers that both write and do not read any more could wait for each
// other: who has the turn sends the frame then.
func (c *Conn) reply(ctx context.Context, op ws.OpCode, p []byte) {
	if c.turn.tryLock(forControl) || c.turn.lockOrLeave(op, p) {
		err := c.writeControl(ctx, op, p)
		c.unlock(0, 0)
		if err != nil && ctx.Err() != nil && c.failure.Load() == nil && c.broken.Load() == nil {
			go c.reply(context.Background(), op, slices.Clone(p)) // the read is over, and not what it owes
		}
	}
}

// repliesMost bounds the replies that are left with the holder of the turn: older ones
// give way. A pong may answer the last ping alone (RFC 6455, section 5.5.3).
const repliesMost = minBuffer

// lockOrLeave takes the turn to write if it is free. Otherwise it leaves a control frame
// with the holder and reports false.
func (t *turn) lockOrLeave(op ws.OpCode, p []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.takeOrCrowd(forControl) {
		return true
	}
	if t.replies == nil {
		t.replies = newBuffer(repliesMost)
	}
	r := t.replies
	ping := false
	for len(r.b)+4+len(p) > repliesMost {
		ping = ping || ws.OpCode(r.b[0]) == ws.OpPing
		r.b = append(r.b[:0], r.b[2+int(r.b[1]):]...)
	}
	if ping { // the keepalive's, which has to go out
		r.b = append(r.b, byte(ws.OpPing), 0)
	}
	r.b = append(append(r.b, byte(op), byte(len(p))), p...)
	return false
}

// writeReplies sends what was left with the holder of the turn, in the order of arrival.
func (c *Conn) writeReplies(r *buffer) {
	for rest := r.b; len(rest) > 0; {
		end := 2 + int(rest[1])
		c.writeControl(context.Background(), ws.OpCode(rest[0]), rest[2:end])
		rest = rest[end:]
	}
	r.b = r.b[:0]
	r.free()
}

// writeControl sends a ping of the keepalive, or a pong, with the turn to write held. The
// time that it may take is bounded.
func (c *Conn) writeControl(ctx context.Context, op ws.OpCode, p []byte) error {
	if c.failure.Load() != nil || c.broken.Load() != nil {
		return c.notLocked(ctx)
	}
	var room [maxPingID]byte
	var ping *ping
	if op == ws.OpPing {
		p, ping = c.expectPong(room[:0], nil)
		c.pingBegins()
	}
	b := newBuffer(minBuffer)
	defer b.free()
	out, err := c.protocol.AppendFragment(b.b, ws.Header{Fin: true, OpCode: op}, p)
	if errors.Is(err, wsutil.ErrClosing) {
		return nil // nobody is interested any more
	}
	if err == nil {
		c.setClockEarlier(clockWrite, now()+int64(cmp.Or(c.opts.WriteTimeout, c.opts.closeTimeout())))
		err = c.transmit(ctx, out, intact)
		c.clock.clear(clockWrite)
	}
	if err == nil {
		c.countControl(op, true, 0)
		if op == ws.OpPing {
			c.wrotePing(ping)
			c.pingWritten()
		}
	}
	return err
}
