package hub

import (
	"sync"
	"sync/atomic"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Message is a publication on its way to receivers. It must not be changed. Its
// methods may be called by any number of goroutines at once.
type Message struct {
	Topic string
	Publication

	// Previous is the position of the publication before it on the topic, as far as
	// the hub has seen it, or has replayed it. A receiver whose position is before
	// Previous has missed something.
	Previous Position

	Replayed bool // it comes from the history: see [SubscribeOptions.Since]

	slot  string     // what Key means in a send queue: that of the topic
	mu    sync.Mutex // held while a form is made
	forms atomic.Pointer[form]
}

func newMessage(topic string, p Publication) *Message {
	m := &Message{Topic: topic, Publication: p}
	if p.Key != "" {
		m.slot = topic + "\x00" + p.Key
	}
	return m
}

// Encoder turns messages into what is sent to receivers. It is called once for each
// message, however many receivers have this encoder. Encoders are compared with ==.
type Encoder interface {
	// Encode returns opcode and payload of what to send for m. An opcode of 0 means
	// that nothing is sent. A message whose Encode fails is dropped. The payload may
	// be that of m.
	Encode(m *Message) (op ws.OpCode, payload []byte, err error)
}

// Payloads is the [Encoder] that sends the payload of each publication of kind Data
// as it is, and nothing else. A receiver does not learn of a gap from it.
type Payloads struct{}

// Encode implements [Encoder].
func (Payloads) Encode(m *Message) (ws.OpCode, []byte, error) {
	if m.Kind != Data {
		return 0, nil, nil
	}
	return m.Op, m.Payload, nil
}

// form is a message as one encoder sends it.
type form struct {
	encoder Encoder
	message *wsutil.PreparedMessage // nil if nothing is sent
	err     error
	next    *form
}

// Prepared returns m as e encodes it, or nil if nothing is sent for it. nil stands
// for [Payloads]. The same message is returned to all who ask with the same encoder.
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
