package websocket

import (
	"context"

	"github.com/wskit/wskit/ws"
)

// writeStream writes a message in one frame, for a NetConn. If ctx ends while the frame is
// being written, the rest of it is kept and goes out before the next frame: sent is true
// then, with an error.
func (c *Conn) writeStream(ctx context.Context, op ws.OpCode, p []byte) (sent bool, err error) {
	if err := c.lock(ctx, forMessage); err != nil {
		return false, err
	}
	if c.residue != nil {
		if err := c.transmitTimed(ctx, nil, nil, intact); err != nil {
			c.unlock(turnOpen, 0)
			return false, err
		}
	}
	h := ws.Header{Fin: true, OpCode: op}
	size := len(p)
	if c.deflater != nil {
		b := newBuffer(ws.MaxHeaderSize + len(p))
		defer b.free()
		if out, compressed := c.deflater.AppendMessage(b.b, p); compressed {
			b.grown(out)
			h.Rsv, p = rsv1, out
		}
	}
	err = c.writeFrame(ctx, h, p, kept)
	sent = err == nil || c.residue != nil
	if sent {
		c.countWritten(op, size, len(p))
	}
	c.unlock(turnOpen, 0)
	return sent, err
}

// keepResidue keeps what of p and more is left after n bytes.
func (c *Conn) keepResidue(n int, p, more []byte) {
	inMore := max(n-len(p), 0)
	c.residue = append([]byte{}, p[min(n, len(p)):]...)
	c.residue = append(c.residue, more[inMore:]...)
}

// writeResidue writes what was kept, or as much of it as goes.
func (c *Conn) writeResidue() error {
	n, err := c.transport.Write(c.residue)
	c.residue = c.residue[n:]
	if len(c.residue) == 0 {
		c.residue = nil
	}
	return err
}
