package wsutil

import (
	"io"
	"sync"

	"github.com/wskit/wskit/ws"
)

// PreparedMessage is a message that is encoded once and sent to many connections. The
// frame that a server sends is ready; other forms, such as a compressed one, are made
// when they are first asked for, once each, and kept. All methods may be called by
// any number of goroutines at once.
type PreparedMessage struct {
	op      ws.OpCode
	frame   []byte // of a server
	payload []byte // in frame
	forms   sync.Map
}

// NewPreparedMessage returns the message of this opcode and payload. It does not
// retain p. It returns [ErrControlOverflow] for a control frame of more than 125
// bytes, and [ErrNotSendable] for a reserved opcode and a continuation.
func NewPreparedMessage(op ws.OpCode, p []byte) (*PreparedMessage, error) {
	if err := checkWhole(op, len(p)); err != nil {
		return nil, err
	}
	f := ws.NewFrame(op, true, p)
	size := ws.HeaderSize(f.Header)
	frame := ws.AppendFrame(make([]byte, 0, size+len(p)), f)
	return &PreparedMessage{op: op, frame: frame, payload: frame[size:]}, nil
}

// OpCode returns the opcode of the message.
func (m *PreparedMessage) OpCode() ws.OpCode { return m.op }

// Payload returns the payload of the message. It may not be changed.
func (m *PreparedMessage) Payload() []byte { return m.payload }

// Frame returns the frame that a server sends. It may not be changed.
func (m *PreparedMessage) Frame() []byte { return m.frame }

// Write writes the message to w as [WriteMessage] does, as the side that s names sends it. A
// client's is masked anew each time, as RFC 6455, section 5.3 asks for: it costs what
// [WriteMessage] costs. A buffer of w is not flushed here either.
func (m *PreparedMessage) Write(w io.Writer, s ws.State) error {
	if s.ClientSide() {
		return WriteMessage(w, s, m.op, m.payload)
	}
	return writeFull(w, m.frame)
}

// Form returns the form of the message that belongs to key, for instance the frame
// for those connections that have agreed on the same parameters of an extension. The
// first call for a key has encode make it out of payload, which encode may not change
// or retain; the others, at the same time and later, get the same slice and the same
// error. It may not be changed. Keys are compared with ==, so that each package should
// use a type of its own.
func (m *PreparedMessage) Form(key any, encode func(op ws.OpCode, payload []byte) ([]byte, error)) ([]byte, error) {
	form, ok := m.forms.Load(key)
	if !ok {
		form, _ = m.forms.LoadOrStore(key, sync.OnceValues(func() ([]byte, error) {
			return encode(m.op, m.payload)
		}))
	}
	return form.(func() ([]byte, error))()
}
