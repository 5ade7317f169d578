package wsutil

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/wskit/wskit/internal/utf8s"
	"github.com/wskit/wskit/ws"
)

// PreparedMessage is a message that is encoded once and sent to many connections.
// The frame that a server sends is ready; other forms, such as a compressed one,
// are made when they are first asked for, once each, and kept. All methods may be
// called by any number of goroutines at once.
type PreparedMessage struct {
	op      ws.OpCode
	frame   []byte               // of a server
	payload []byte               // in frame
	valid   bool                 // payload is UTF-8
	forms   atomic.Pointer[form] // a list that grows at its head
}

// form is a message in another form than that of PreparedMessage.frame.
type form struct {
	key    any
	encode func() ([]byte, error) // called at any time, it encodes once
	next   *form
}

// preparedFrame is a frame as a server sends it, and its payload.
type preparedFrame struct {
	frame, payload []byte
	rsv            byte
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
	return &PreparedMessage{op: op, frame: frame, payload: frame[size:], valid: utf8s.Valid(p)}, nil
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
// for those connections that have agreed on the same parameters of an extension.
// The first call for a key makes it by encode, which must not change or retain
// payload; the others, at the same time and later, get the same slice and the same
// error. It must not be changed. Keys are compared with ==, so that each package
// should use a type of its own.
func (m *PreparedMessage) Form(key any, encode func(op ws.OpCode, payload []byte) ([]byte, error)) ([]byte, error) {
	if f := m.find(key); f != nil {
		return f.encode()
	}
	return m.add(key, sync.OnceValues(func() ([]byte, error) { return encode(m.op, m.payload) })).encode()
}

// find returns the form of this key, or nil.
func (m *PreparedMessage) find(key any) *form {
	f := m.forms.Load()
	for f != nil && f.key != key {
		f = f.next
	}
	return f
}

// add adds a form, unless there is one for key meanwhile. It returns the one that
// is there then.
func (m *PreparedMessage) add(key any, encode func() ([]byte, error)) *form {
	for {
		head := m.forms.Load()
		if f := m.find(key); f != nil {
			return f
		}
		f := &form{key: key, encode: encode, next: head}
		if m.forms.CompareAndSwap(head, f) {
			return f
		}
	}
}

// Outgoing returns m as [Protocol.AppendFrame] takes it. Whatever connection it is
// sent on, it is one frame.
func (m *PreparedMessage) Outgoing() Outgoing {
	return Outgoing{op: m.op, prepared: m, size: len(m.payload)}
}

// plain returns the message without compression.
func (m *PreparedMessage) plain() preparedFrame {
	return preparedFrame{frame: m.frame, payload: m.payload}
}

// packed returns the message as a connection with this Deflater sends it. It is a
// plain one if it does not become smaller.
func (m *PreparedMessage) packed(d Deflater) preparedFrame {
	key := d.PreparedForm(len(m.payload))
	f := m.find(key)
	if f == nil {
		f = m.add(key, sync.OnceValues(func() ([]byte, error) { return key.Frame(m.op, m.payload) }))
	}
	frame, err := f.encode()
	h, size, headerErr := ws.ParseHeader(frame)
	if err != nil || headerErr != nil {
		return m.plain()
	}
	return preparedFrame{frame: frame, payload: frame[size:], rsv: h.Rsv & rsv1}
}
