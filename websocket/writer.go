package websocket

import (
	"context"
	"io"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// writerBuffer is how much of a message a writer keeps back.
const writerBuffer = 4 << 10

// messageWriter is the writer of one message: it keeps the message open in the write
// lock until it is closed.
type messageWriter struct {
	conn    *Conn
	ctx     context.Context
	message wsutil.Outgoing
	buffer  *bufpool.Buffer // what is kept back, or nil
	ended   error           // what every later call returns
}

// Writer returns a writer of one message, which is complete with its Close. Other
// messages wait until then, control frames do not. ctx bounds all of it. The writer is
// for one goroutine at a time. Small writes are kept back, so that a message of up to 4
// KiB is sent in one frame, as [Conn.Write] would send it; a longer one is sent in
// fragments, as large as they come.
//
// A message of which nothing was sent when ctx ends is dropped, and the connection is
// as usable as before; later, the connection is closed. A writer has to be closed.
func (c *Conn) Writer(ctx context.Context, typ MessageType) (io.WriteCloser, error) {
	op := ws.OpCode(typ)
	if op != ws.OpText && op != ws.OpBinary {
		return nil, errType(typ)
	}
	if err := c.lock(ctx, forMessage); err != nil {
		return nil, err
	}
	c.unlock(0, writeOpen)
	return &messageWriter{conn: c, ctx: ctx, message: wsutil.NewOutgoing(op, nil)}, nil
}

// Write adds p to the message. It neither changes nor retains p.
func (w *messageWriter) Write(p []byte) (int, error) {
	if w.ended != nil {
		return 0, w.ended
	}
	if w.buffer == nil {
		w.buffer = bufpool.Get(writerBuffer)
	}
	if kept := len(w.buffer.B); kept+len(p) > writerBuffer {
		if kept > 0 {
			if err := w.send(w.buffer.B, false); err != nil {
				return 0, err
			}
			w.buffer.B = w.buffer.B[:0]
		}
		if len(p) > writerBuffer {
			if err := w.send(p, false); err != nil {
				return 0, err
			}
			return len(p), nil
		}
	}
	w.buffer.B = append(w.buffer.B, p...)
	return len(p), nil
}

// Close sends what is left, and ends the message.
func (w *messageWriter) Close() error {
	if w.ended != nil {
		return w.ended
	}
	var rest []byte
	if w.buffer != nil {
		rest = w.buffer.B
	}
	err := w.send(rest, true)
	if err == nil {
		w.end(ErrWriterClosed)
	}
	return err
}

// end lets go of the buffer. Every later call returns err.
func (w *messageWriter) end(err error) {
	w.ended = err
	w.buffer.Free()
	w.buffer = nil
}

// send sends the next part of the message. On an error the message is over.
func (w *messageWriter) send(p []byte, last bool) error {
	c := w.conn
	w.message.Add(p, last)
	for {
		if err := c.lock(w.ctx, forFragment); err != nil {
			if w.message.Begun() {
				err = c.abandon(w.ctx, err)
			}
			c.write.endMessage()
			w.end(err)
			return err
		}
		err := c.sendFrame(w.ctx, &w.message, intact)
		if err == nil && w.message.Done() {
			c.countWritten(&w.message)
		}
		if err != nil || w.message.Done() {
			c.unlock(writeOpen, 0)
		} else {
			c.unlock(0, writeOpen)
		}
		if err != nil {
			w.end(err)
			return err
		}
		if !w.message.Pending() {
			return nil
		}
	}
}
