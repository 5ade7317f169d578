package websocket

import (
	"context"

	"github.com/wskit/wskit/ws"
)

// writeFrame writes one frame, whose header says no more than Fin, OpCode and Rsv. A
// server's large payload is not copied; a client's is, to be masked.
func (c *Conn) writeFrame(ctx context.Context, h ws.Header, p []byte, to recovery) error {
	h.Length = int64(len(p))
	h, err := c.protocol.SendHeader(h)
	if err != nil {
		return c.refused(err)
	}
	if !h.Masked && len(p) > coalesceMost {
		b := newBuffer(ws.MaxHeaderSize)
		err := c.transmitTimed(ctx, ws.AppendHeader(b.b, h), p, to)
		b.free()
		return c.unsent(err, to)
	}
	b := newBuffer(ws.MaxHeaderSize + len(p))
	out := ws.AppendHeader(b.b, h)
	body := out[len(out) : len(out)+len(p)]
	if h.Masked {
		ws.CipherCopy(body, p, h.Mask, 0)
	} else {
		copy(body, p)
	}
	err = c.transmit(ctx, out[:len(out)+len(p)], to)
	b.free()
	return c.unsent(err, to)
}

// unsent returns err, the outcome of a write. If it leaves the connection as usable as before,
// the frame was not sent.
func (c *Conn) unsent(err error, to recovery) error {
	if err != nil && to == intact {
		c.protocol.Unsend()
	}
	return err
}

// writeOther writes a message that may be compressed, or is cut into several frames.
func (c *Conn) writeOther(ctx context.Context, op ws.OpCode, p []byte) error {
	if c.deflater == nil {
		return c.writeFragments(ctx, op, p)
	}
	if err := c.lock(ctx, forMessage); err != nil {
		return err
	}
	b := newBuffer(ws.MaxHeaderSize + len(p))
	out, compressed := c.deflater.AppendMessage(b.b, p)
	if !compressed {
		b.free()
		if len(p) > c.fragment {
			c.unlock(turnOpen, 0)
			return c.writeFragments(ctx, op, p)
		}
		err := c.writeSmall(ctx, op, p)
		c.unlock(turnOpen, 0)
		return err
	}
	err := c.writeDeflated(ctx, op, out)
	b.grown(out)
	b.free()
	if err == nil {
		c.countWritten(op, len(p), len(out))
	}
	c.unlock(turnOpen, 0)
	return err
}

// writeDeflated writes a compressed message in one frame. If it does not go out, the peer's
// window lacks it, and no later message may refer to it.
func (c *Conn) writeDeflated(ctx context.Context, op ws.OpCode, p []byte) error {
	err := c.writeFrame(ctx, ws.Header{Fin: true, Rsv: rsv1, OpCode: op}, p, intact)
	if err != nil {
		c.deflater.Close()
	}
	return err
}

// rsv1 marks a message as compressed (RFC 7692, section 6).
var rsv1 = ws.Rsv(true, false, false)

// writeFragments writes a message that is not compressed in frames of c.fragment bytes.
// Between them others may write control frames.
func (c *Conn) writeFragments(ctx context.Context, op ws.OpCode, p []byte) error {
	if err := c.lock(ctx, forMessage); err != nil {
		return err
	}
	to := intact
	for rest := p; ; {
		n := min(len(rest), c.fragment)
		last := n == len(rest)
		err := c.writeFrame(ctx, ws.Header{Fin: last, OpCode: op}, rest[:n], to)
		if err != nil || last {
			if err == nil {
				c.countWritten(op, len(p), len(p))
			}
			c.unlock(turnOpen, 0)
			return err
		}
		c.unlock(0, turnOpen)
		rest, to = rest[n:], spoiled
		if err := c.lock(ctx, forFragment); err != nil {
			return c.abandon(ctx, err)
		}
	}
}

// abandon ends a message of which a part is out, and with it the connection, because of
// err. The turn is not held.
func (c *Conn) abandon(ctx context.Context, err error) error {
	if c.failure.Load() == nil && c.broken.Load() == nil && ctx.Err() != nil {
		c.fail(failure{err: contextError(ctx, withinSent)})
		return c.failure.Load().write
	}
	return err
}

// readyFrame is a message in wire form, for writeReady.
type readyFrame struct {
	typ        MessageType
	frame      []byte // as a server sends it, header and all
	payload    []byte // the part of frame behind the header; a client masks it anew
	compressed bool   // payload is deflated without reference to a window; RSV1 is set in frame
	message    []byte // before compression
}

// writeReady writes f in one frame and, as a server, without a copy.
func (c *Conn) writeReady(ctx context.Context, f readyFrame) error {
	if err := c.lock(ctx, forMessage); err != nil {
		return err
	}
	h := ws.Header{Fin: true, OpCode: ws.OpCode(f.typ), Length: int64(len(f.payload))}
	if f.compressed {
		h.Rsv = rsv1
	}
	var err error
	if c.client {
		err = c.writeFrame(ctx, h, f.payload, intact)
	} else if _, err = c.protocol.SendHeader(h); err != nil {
		err = c.refused(err)
	} else {
		err = c.transmit(ctx, f.frame, intact)
	}
	if err == nil {
		if f.compressed {
			c.deflater.Enter(f.message)
		}
		c.countWritten(h.OpCode, len(f.message), len(f.payload))
	}
	c.unlock(turnOpen, 0)
	return err
}
