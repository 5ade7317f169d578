package wsutil

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/wskit/wskit/internal/utf8s"
	"github.com/wskit/wskit/ws"
)

// PreparedMessage is a message that is encoded once and sent to many
// connections. NewPreparedMessage encodes the frame of a server. Other
// encodings, such as a compressed one, are made on first use and kept. A
// PreparedMessage is safe for concurrent use.
type PreparedMessage struct {
	op      ws.OpCode
	frame   []byte               // as a server sends it
	payload []byte               // the end of frame
	valid   bool                 // payload is valid UTF-8
	forms   atomic.Pointer[form] // a list that grows at the front
}

// form is another encoding of the message.
type form struct {
	key    any
	encode func() ([]byte, error) // encodes on the first call
	next   *form
}

// preparedFrame is the frame of a server and its payload.
type preparedFrame struct {
	frame, payload []byte
	rsv            byte
}

// NewPreparedMessage returns a message with this opcode and payload. It does
// not retain p. It returns [ErrControlOverflow] for a control frame of more
// than 125 bytes, and [ErrNotSendable] for a reserved opcode or a continuation.
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

// Payload returns the payload of the message. The caller must not modify it.
func (m *PreparedMessage) Payload() []byte { return m.payload }

// Frame returns the frame that a server sends. The caller must not modify it.
func (m *PreparedMessage) Frame() []byte { return m.frame }

// Write writes the message to w as [WriteMessage] does; s is the side of the
// caller. A client masks the message each time (RFC 6455, section 5.3), at the
// cost of WriteMessage. Write does not flush a buffer of w.
func (m *PreparedMessage) Write(w io.Writer, s ws.State) error {
	if s.ClientSide() {
		return WriteMessage(w, s, m.op, m.payload)
	}
	return writeFull(w, m.frame)
}

// Encode returns the encoding of the message for key: for example, the frame
// for all connections that have negotiated the same parameters of an extension.
// The first call for a key calls encode, which must not modify or retain
// payload. Concurrent and later calls return the same slice and error. The
// caller must not modify the slice. Keys are compared with ==, so each package
// should use a type of its own.
func (m *PreparedMessage) Encode(key any, encode func(op ws.OpCode, payload []byte) ([]byte, error)) ([]byte, error) {
	if f := m.find(key); f != nil {
		return f.encode()
	}
	return m.add(key, sync.OnceValues(func() ([]byte, error) { return encode(m.op, m.payload) })).encode()
}

// find returns the form for this key, or nil.
func (m *PreparedMessage) find(key any) *form {
	f := m.forms.Load()
	for f != nil && f.key != key {
		f = f.next
	}
	return f
}

// add adds a form for key and returns it. If another goroutine was faster, add
// returns the form of that goroutine.
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

// Outgoing returns m for [Protocol.AppendFrame]. It is sent as one frame on
// every connection.
func (m *PreparedMessage) Outgoing() Outgoing {
	return Outgoing{op: m.op, prepared: m, size: len(m.payload)}
}

// plain returns the uncompressed message.
func (m *PreparedMessage) plain() preparedFrame {
	return preparedFrame{frame: m.frame, payload: m.payload}
}

// packed returns the message as a connection with this Deflater sends it:
// uncompressed if compression does not make it smaller.
func (m *PreparedMessage) packed(d Deflater) preparedFrame {
	key := d.PreparedProfile(len(m.payload))
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
