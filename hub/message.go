package hub

import (
	"sync"
	"sync/atomic"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Message is a publication that is delivered to receivers. It must not be
// modified. Its methods are safe for concurrent use.
type Message struct {
	Topic string
	Publication

	// Previous is the position of the preceding publication on the topic: the
	// last one that the hub delivered, or replayed to this receiver. It is zero
	// if the hub does not know it. A receiver whose own position is before
	// Previous has missed publications.
	Previous Position

	Replayed bool // the message comes from the history: see [SubscribeOptions.Since]

	slot  string     // Key with the topic, for send queues
	mu    sync.Mutex // held while a form is encoded
	forms atomic.Pointer[form]
}

func newMessage(topic string, p Publication) *Message {
	m := &Message{Topic: topic, Publication: p}
	if p.Key != "" {
		m.slot = topic + "\x00" + p.Key
	}
	return m
}

// Encoder encodes messages for receivers. Encode is called once for each
// message, for any number of receivers with the same encoder. Encoders are
// compared with ==.
type Encoder interface {
	// Encode returns the opcode and payload to send for m. If the opcode is 0,
	// nothing is sent. If Encode returns an error, the message is dropped. The
	// payload may be that of m.
	Encode(m *Message) (op ws.OpCode, payload []byte, err error)
}

// Payloads is an [Encoder] that sends only the payloads of publications of kind
// Data. It does not report gaps to receivers.
type Payloads struct{}

// Encode implements [Encoder].
func (Payloads) Encode(m *Message) (ws.OpCode, []byte, error) {
	if m.Kind != Data {
		return 0, nil, nil
	}
	return m.Op, m.Payload, nil
}

// form is a message encoded by one encoder.
type form struct {
	encoder Encoder
	message *wsutil.PreparedMessage // nil if nothing is sent
	err     error
	next    *form
}

// Prepared returns m encoded by e, or nil if nothing is sent for m. A nil e
// means [Payloads]. All calls with the same encoder return the same message.
func (m *Message) Prepared(e Encoder) (*wsutil.PreparedMessage, error) {
	f := m.form(e)
	return f.message, f.err
}

func (m *Message) form(e Encoder) *form {
	if e == nil {
		e = Payloads{}
	}
	if f := m.forms.Load().find(e); f != nil {
		return f
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	head := m.forms.Load()
	if f := head.find(e); f != nil {
		return f
	}
	f := m.encode(e)
	f.next = head
	m.forms.Store(f)
	return f
}

func (f *form) find(e Encoder) *form {
	for ; f != nil && f.encoder != e; f = f.next {
	}
	return f
}

func (m *Message) encode(e Encoder) *form {
	f := &form{encoder: e}
	if raw := (Payloads{}); e == raw && m.Kind == Data && m.prepared != nil {
		f.message = m.prepared
	} else {
		var op ws.OpCode
		var p []byte
		if op, p, f.err = e.Encode(m); f.err == nil && op != 0 {
			f.message, f.err = wsutil.NewPreparedMessage(op, p)
		}
	}
	return f
}
