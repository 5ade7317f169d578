package websocket

import (
	"context"
	"io"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// writerBuffer is how many bytes of a message a writer buffers.
const writerBuffer = 4 << 10

// messageWriter is the writer of one message. The message stays open in the
// write lock until the writer is closed.
type messageWriter struct {
	conn    *Conn
	ctx     context.Context
	message wsutil.Outgoing
	buffer  *bufpool.Buffer // buffered data, or nil
	ended   error           // the error of later calls
}

// Writer returns a writer for one message. Its Close method completes the
// message. Other messages wait until then; control frames do not. ctx limits
// the whole message. The writer is not safe for concurrent use. It buffers
// small writes, so that a message of up to 4 KiB is sent in one frame, as by
// [Conn.Write]. A longer message is sent in fragments. A write of more than 4
// KiB is not buffered.
//
// If ctx ends before anything was sent, the message is dropped and the
// connection stays usable; if it ends later, the connection is closed. The
// caller must close the writer.
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

// Close sends the rest of the message and ends it.
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

// end releases the buffer. Later calls return err.
func (w *messageWriter) end(err error) {
	w.ended = err
	w.buffer.Free()
	w.buffer = nil
}

// send sends the next part of the message. After an error the message has
// ended.
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
