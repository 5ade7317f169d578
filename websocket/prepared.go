package websocket

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// PreparedMessage is a message that is encoded once and written to many connections with
// [Conn.WritePrepared]: as it is, and compressed once for each set of parameters that
// connections have agreed on. It may be used by any number of goroutines at once.
type PreparedMessage struct {
	typ        MessageType
	message    *wsutil.PreparedMessage
	compressed atomic.Pointer[preparedForm] // a list that grows at its head
}

// preparedForm is the frame for those connections whose compression is of this form.
type preparedForm struct {
	form wsflate.Form
	readyFrame
	next *preparedForm
}

// NewPreparedMessage returns the message of this type and payload. It does not retain p.
// The error is about typ, which has to be [MessageText] or [MessageBinary].
func NewPreparedMessage(typ MessageType, p []byte) (*PreparedMessage, error) {
	if typ != MessageText && typ != MessageBinary {
		return nil, fmt.Errorf("websocket: prepared message: bad type %v", typ)
	}
	m, err := wsutil.NewPreparedMessage(ws.OpCode(typ), p)
	if err != nil {
		return nil, fmt.Errorf("websocket: prepared message: %w", err)
	}
	return &PreparedMessage{typ: typ, message: m}, nil
}

// WritePrepared writes m as [Conn.Write] writes a message. A client masks it anew, which
// costs what Write costs without compression. Where the connection compresses, so is m if it
// becomes smaller, whatever its length.
func (c *Conn) WritePrepared(ctx context.Context, m *PreparedMessage) error {
	if form, ok := c.form(len(m.message.Payload())); ok {
		return c.writeReady(ctx, m.inForm(form))
	}
	return c.writeReady(ctx, readyFrame{
		typ:     m.typ,
		frame:   m.message.Frame(),
		payload: m.message.Payload(),
		message: m.message.Payload(),
	})
}

// form returns how this connection compresses a prepared message of n bytes, and false if it
// does not.
func (c *Conn) form(n int) (wsflate.Form, bool) {
	if c.deflater != nil {
		return c.deflater.Form(n), true
	}
	return wsflate.Form{}, false
}

// inForm returns the frame in this form, made when it is first asked for. A message that
// compression would not make smaller is a plain one in every form.
func (m *PreparedMessage) inForm(form wsflate.Form) readyFrame {
	head := m.compressed.Load()
	for f := head; f != nil; f = f.next {
		if f.form == form {
			return f.readyFrame
		}
	}
	frame, _ := m.message.Form(form, form.Frame) // the same one for all who come at once
	h, size, _ := ws.ParseHeader(frame)
	f := &preparedForm{form: form, readyFrame: readyFrame{
		typ:        m.typ,
		frame:      frame,
		payload:    frame[size:],
		compressed: h.Rsv1(),
		message:    m.message.Payload(),
	}, next: head}
	m.compressed.CompareAndSwap(head, f) // or else somebody adds it next time
	return f.readyFrame
}
