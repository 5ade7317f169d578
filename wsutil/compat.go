package wsutil

import (
	"io"

	"github.com/wskit/wskit/ws"
)

// This file has the names that programs written for github.com/gobwas/ws use.
// New programs use AppendData, Data and WriteMessage, which take the side as an
// argument, or a Reader or a Protocol.

// ReadData reads the next data message from rw into a new slice. It answers
// control frames and faults as [AppendData] does. s is the side of the caller.
func ReadData(rw io.ReadWriter, s ws.State) ([]byte, ws.OpCode, error) {
	return readData(rw, s, 0)
}

func readData(rw io.ReadWriter, s ws.State, want ws.OpCode) ([]byte, ws.OpCode, error) {
	p, op, err := appendData([]byte{}, rw, s, 0, want)
	if err != nil {
		return nil, 0, err
	}
	return p, op, nil
}

// ReadClientData is [ReadData] on a server: it reads what a client sends.
func ReadClientData(rw io.ReadWriter) ([]byte, ws.OpCode, error) {
	return ReadData(rw, ws.StateServerSide)
}

// ReadClientText is [ReadClientData], but skips binary messages.
func ReadClientText(rw io.ReadWriter) ([]byte, error) {
	p, _, err := readData(rw, ws.StateServerSide, ws.OpText)
	return p, err
}

// ReadClientBinary is [ReadClientData], but skips text messages.
func ReadClientBinary(rw io.ReadWriter) ([]byte, error) {
	p, _, err := readData(rw, ws.StateServerSide, ws.OpBinary)
	return p, err
}

// ReadServerData is [ReadData] on a client: it reads what a server sends.
func ReadServerData(rw io.ReadWriter) ([]byte, ws.OpCode, error) {
	return ReadData(rw, ws.StateClientSide)
}

// ReadServerText is [ReadServerData], but skips binary messages.
func ReadServerText(rw io.ReadWriter) ([]byte, error) {
	p, _, err := readData(rw, ws.StateClientSide, ws.OpText)
	return p, err
}

// ReadServerBinary is [ReadServerData], but skips text messages.
func ReadServerBinary(rw io.ReadWriter) ([]byte, error) {
	p, _, err := readData(rw, ws.StateClientSide, ws.OpBinary)
	return p, err
}

// maxControlFrames is the maximum number of control frames that [ReadMessage]
// holds. An empty control frame takes 2 bytes on the wire, but a Message takes
// 32 bytes of memory.
const maxControlFrames = 1 << 16

// ReadMessage reads the next message from src and appends it to m. It first
// appends the control frames between the fragments of the message. If a control
// frame comes before the message, ReadMessage appends only that. It answers
// nothing: see [HandleControlMessage]. s is the side of the caller. The caller
// owns the payloads.
//
// Text is validated. A message has at most [DefaultMaxMessage] bytes and 65,536
// control frames between its fragments; one more is [ErrTooManyFragments]. On
// error ReadMessage returns what it has read so far, without the incomplete
// message.
func ReadMessage(src io.Reader, s ws.State, m []Message) ([]Message, error) {
	r := DefaultReader(src, s)
	begin := len(m)
	add := func(op ws.OpCode) error {
		if len(m)-begin >= maxControlFrames {
			return ErrTooManyFragments
		}
		p, err := r.appendRest([]byte{})
		if err == nil {
			m = append(m, Message{op, p})
		}
		return err
	}
	r.OnIntermediate = func(h ws.Header, _ io.Reader) error { return add(h.OpCode) }
	h, err := r.NextFrame()
	if err == nil {
		err = add(h.OpCode)
	}
	return m, err
}

// ReadClientMessage is [ReadMessage] on a server: it reads what a client sends.
func ReadClientMessage(src io.Reader, m []Message) ([]Message, error) {
	return ReadMessage(src, ws.StateServerSide, m)
}

// ReadServerMessage is [ReadMessage] on a client: it reads what a server sends.
func ReadServerMessage(src io.Reader, m []Message) ([]Message, error) {
	return ReadMessage(src, ws.StateClientSide, m)
}

// HandleClientControlMessage is [HandleControlMessage] on a server: it answers
// a message of a client.
func HandleClientControlMessage(w io.Writer, m Message) error {
	return HandleControlMessage(w, ws.StateServerSide, m)
}

// HandleServerControlMessage is [HandleControlMessage] on a client: it answers
// a message of a server.
func HandleServerControlMessage(w io.Writer, m Message) error {
	return HandleControlMessage(w, ws.StateClientSide, m)
}

// WriteServerMessage is [WriteMessage] on a server.
func WriteServerMessage(w io.Writer, op ws.OpCode, p []byte) error {
	return WriteMessage(w, ws.StateServerSide, op, p)
}

// WriteServerText writes a text message with [WriteServerMessage]. The caller
// must ensure that p is valid UTF-8.
func WriteServerText(w io.Writer, p []byte) error {
	return WriteMessage(w, ws.StateServerSide, ws.OpText, p)
}

// WriteServerBinary writes a binary message with [WriteServerMessage].
func WriteServerBinary(w io.Writer, p []byte) error {
	return WriteMessage(w, ws.StateServerSide, ws.OpBinary, p)
}

// WriteClientMessage is [WriteMessage] on a client.
func WriteClientMessage(w io.Writer, op ws.OpCode, p []byte) error {
	return WriteMessage(w, ws.StateClientSide, op, p)
}

// WriteClientText writes a text message with [WriteClientMessage]. The caller
// must ensure that p is valid UTF-8.
func WriteClientText(w io.Writer, p []byte) error {
	return WriteMessage(w, ws.StateClientSide, ws.OpText, p)
}

// WriteClientBinary writes a binary message with [WriteClientMessage].
func WriteClientBinary(w io.Writer, p []byte) error {
	return WriteMessage(w, ws.StateClientSide, ws.OpBinary, p)
}

// NewClientSideReader returns a [Reader] for a client: it reads what a server
// sends.
func NewClientSideReader(src io.Reader) *Reader { return NewReader(src, ws.StateClientSide) }

// NewServerSideReader returns a [Reader] for a server: it reads what a client
// sends.
func NewServerSideReader(src io.Reader) *Reader { return NewReader(src, ws.StateServerSide) }

// NextReader reads the header of the next message or control frame from src. It
// returns the header and a reader of the payload over all fragments. It applies
// no limits and skips control frames between the fragments. The caller must
// read the payload to its end before it reads anything else from src.
func NextReader(src io.Reader, s ws.State) (ws.Header, io.Reader, error) {
	r := NewReader(src, s)
	h, err := r.NextFrame()
	if err != nil {
		return h, nil, err
	}
	return h, r, nil
}
