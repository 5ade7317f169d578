package websocket

import (
	"context"
	"io"

	"github.com/wskit/wskit/ws"
)

// writerBuffer is how much of a message a writer keeps back.
const writerBuffer = 4 << 10

// messageWriter is the writer of one message: it keeps the message open in the turn to
// write until it is closed.
type messageWriter struct {
	conn       *Conn
	ctx        context.Context
	op         ws.OpCode
	buffer     *buffer
	kept       []byte // in buffer, or in memory of its own
	begun      bool   // a fragment is out
	deflated   bool   // the message is compressed
	ended      error  // what every later call returns
	size, wire int    // out so far
}

// Writer returns a writer of one message, which is complete with its Close. Other messages
// wait until then, control frames do not. ctx bounds all of it. The writer is for
// one goroutine at a time. Small writes are kept back, so that a message of up to 4 KiB
// goes out in one frame, as [Conn.Write] would send it; a longer one leaves in fragments,
// as large as they come.
//
// A message of which nothing has left when ctx ends is dropped, and the connection is
// as usable as before; later, the connection is closed. A writer has to be closed.
func (c *Conn) Writer(ctx context.Context, typ MessageType) (io.WriteCloser, error) {
	op := ws.OpCode(typ)
	if op != ws.OpText && op != ws.OpBinary {
		return nil, errType(typ)
	}
	if err := c.lock(ctx, forMessage); err != nil {
		return nil, err
	}
	c.unlock(0, turnOpen)
	return &messageWriter{conn: c, ctx: ctx, op: op}, nil
}

// Write adds p to the message. It neither changes nor retains p.
func (w *messageWriter) Write(p []byte) (int, error) {
	if w.ended != nil {
		return 0, w.ended
	}
	if len(w.kept)+len(p) <= writerBuffer {
		if w.buffer == nil {
			w.buffer = newBuffer(writerBuffer)
			w.kept = w.buffer.b
		}
		w.kept = append(w.kept, p...)
		return len(p), nil
	}
	if len(w.kept) > 0 {
		if err := w.send(w.kept, false); err != nil {
			return 0, err
		}
		w.kept = w.kept[:0]
	}
	n := 0
	for len(p)-n > writerBuffer {
		size := min(len(p)-n, max(w.conn.fragment, 1))
		if err := w.send(p[n:n+size], false); err != nil {
			return n, err
		}
		n += size
	}
	if n < len(p) {
		_, err := w.Write(p[n:])
		return len(p), err
	}
	return n, nil
}

// Close sends what is left, and ends the message.
func (w *messageWriter) Close() error {
	if w.ended != nil {
		return w.ended
	}
	err := w.send(w.kept, true)
	if err == nil {
		w.conn.countWritten(w.op, w.size, w.wire)
		w.end(ErrWriterClosed)
	}
	return err
}

// end lets go of the buffer. Every later call returns err.
func (w *messageWriter) end(err error) {
	w.ended = err
	w.buffer.free()
	w.buffer, w.kept = nil, nil
}

// send sends the next fragment. On an error the message is over.
func (w *messageWriter) send(p []byte, last bool) error {
	c := w.conn
	err := c.lock(w.ctx, forFragment)
	if err != nil {
		if w.begun {
			err = c.abandon(w.ctx, err)
		}
		c.turn.endMessage()
		w.end(err)
		return err
	}
	if !w.begun && last {
		err = w.sendWhole(p)
	} else {
		err = w.sendPart(p, last)
	}
	w.begun = true
	if err != nil || last {
		c.unlock(turnOpen, 0)
	} else {
		c.unlock(0, turnOpen)
	}
	if err != nil {
		w.end(err)
	}
	return err
}

// sendWhole sends the message in one frame.
func (w *messageWriter) sendWhole(p []byte) error {
	c := w.conn
	w.size, w.wire = len(p), len(p)
	if c.deflater != nil {
		b := newBuffer(len(p))
		defer b.free()
		if out, compressed := c.deflater.AppendMessage(b.b, p); compressed {
			b.grown(out)
			w.wire = len(out)
			return c.writeDeflated(w.ctx, w.op, out)
		}
	}
	return c.writeFrame(w.ctx, ws.Header{Fin: true, OpCode: w.op}, p, intact)
}

// sendPart sends a fragment.
func (w *messageWriter) sendPart(p []byte, last bool) error {
	c := w.conn
	h := ws.Header{Fin: last, OpCode: w.op}
	w.size += len(p)
	if !w.begun && c.deflater != nil {
		w.deflated = true
		h.Rsv = rsv1
	}
	if w.deflated {
		b := newBuffer(len(p))
		defer b.free()
		p = c.deflater.AppendPart(b.b, p, last)
		b.grown(p)
	}
	w.wire += len(p)
	if w.begun {
		return c.writeFrame(w.ctx, h, p, spoiled)
	}
	err := c.writeFrame(w.ctx, h, p, intact)
	if err != nil && w.deflated {
		c.deflater.Close() // the peer's window lacks it
	}
	return err
}
