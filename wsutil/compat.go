package wsutil

import (
	"io"

	"github.com/wskit/wskit/ws"
)

// This file has the names under which programs that come from github.com/gobwas/ws
// read and write. New programs use AppendData, Data and WriteMessage, which say on
// which side they are by an argument, a Reader, or a Protocol.

// ReadData is [AppendData] into a slice of its own: it reads the next data message
// from rw, whole, and answers control frames and faults on rw. s is the side on which
// we are.
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

// ReadClientData, for a server: [ReadData] of what a client sends.
func ReadClientData(rw io.ReadWriter) ([]byte, ws.OpCode, error) {
	return ReadData(rw, ws.StateServerSide)
}

// ReadClientText, for a server: [ReadClientData] that skips binary messages.
func ReadClientText(rw io.ReadWriter) ([]byte, error) {
	p, _, err := readData(rw, ws.StateServerSide, ws.OpText)
	return p, err
}

// ReadClientBinary, for a server: [ReadClientData] that skips text messages.
func ReadClientBinary(rw io.ReadWriter) ([]byte, error) {
	p, _, err := readData(rw, ws.StateServerSide, ws.OpBinary)
	return p, err
}

// ReadServerData, for a client: [ReadData] of what a server sends.
func ReadServerData(rw io.ReadWriter) ([]byte, ws.OpCode, error) {
	return ReadData(rw, ws.StateClientSide)
}

// ReadServerText, for a client: [ReadServerData] that skips binary messages.
func ReadServerText(rw io.ReadWriter) ([]byte, error) {
	p, _, err := readData(rw, ws.StateClientSide, ws.OpText)
	return p, err
}

// ReadServerBinary, for a client: [ReadServerData] that skips text messages.
func ReadServerBinary(rw io.ReadWriter) ([]byte, error) {
	p, _, err := readData(rw, ws.StateClientSide, ws.OpBinary)
	return p, err
}

// mostBetween is how many control frames [ReadMessage] holds: an empty one takes 2
// bytes on the wire, and a Message 32.
const mostBetween = 1 << 16

// ReadMessage reads the next message from src and appends it to m: the control
// frames first that came between its fragments, then the message, or the control
// frame that came in its place. Nothing is answered: [HandleControlMessage] is for
// that. s is the side on which we are. Payloads are the caller's.
//
// Text is checked, a message has at most [DefaultMaxMessage] bytes, and between its
// fragments come at most 65,536 control frames: one more is [ErrTooManyFragments]. On an error what was read so far is appended, but for the
// message that is not complete.
func ReadMessage(src io.Reader, s ws.State, m []Message) ([]Message, error) {
	r := DefaultReader(src, s)
	begin := len(m)
	add := func(op ws.OpCode) error {
		if len(m)-begin >= mostBetween {
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

// ReadClientMessage, for a server: [ReadMessage] of what a client sends.
func ReadClientMessage(src io.Reader, m []Message) ([]Message, error) {
	return ReadMessage(src, ws.StateServerSide, m)
}

// ReadServerMessage, for a client: [ReadMessage] of what a server sends.
func ReadServerMessage(src io.Reader, m []Message) ([]Message, error) {
	return ReadMessage(src, ws.StateClientSide, m)
}

// HandleClientControlMessage, for a server: [HandleControlMessage] for what came
// from a client.
func HandleClientControlMessage(w io.Writer, m Message) error {
	return HandleControlMessage(w, ws.StateServerSide, m)
}

// HandleServerControlMessage, for a client: [HandleControlMessage] for what came
// from a server.
func HandleServerControlMessage(w io.Writer, m Message) error {
	return HandleControlMessage(w, ws.StateClientSide, m)
}

// WriteServerMessage, for a server: [WriteMessage] to a client.
func WriteServerMessage(w io.Writer, op ws.OpCode, p []byte) error {
	return WriteMessage(w, ws.StateServerSide, op, p)
}

// WriteServerText, for a server: [WriteMessage] of a text to a client. The
// caller must ensure that p is valid UTF-8.
func WriteServerText(w io.Writer, p []byte) error {
	return WriteMessage(w, ws.StateServerSide, ws.OpText, p)
}

// WriteServerBinary, for a server: [WriteMessage] of a binary message to a client.
func WriteServerBinary(w io.Writer, p []byte) error {
	return WriteMessage(w, ws.StateServerSide, ws.OpBinary, p)
}

// WriteClientMessage, for a client: [WriteMessage] to a server.
func WriteClientMessage(w io.Writer, op ws.OpCode, p []byte) error {
	return WriteMessage(w, ws.StateClientSide, op, p)
}

// WriteClientText, for a client: [WriteMessage] of a text to a server. The
// caller must ensure that p is valid UTF-8.
func WriteClientText(w io.Writer, p []byte) error {
	return WriteMessage(w, ws.StateClientSide, ws.OpText, p)
}

// WriteClientBinary, for a client: [WriteMessage] of a binary message to a server.
func WriteClientBinary(w io.Writer, p []byte) error {
	return WriteMessage(w, ws.StateClientSide, ws.OpBinary, p)
}

// NewClientSideReader returns the [NewReader] of a client: it reads what a server
// sends.
func NewClientSideReader(src io.Reader) *Reader { return NewReader(src, ws.StateClientSide) }

// NewServerSideReader returns the [NewReader] of a server: it reads what a client
// sends.
func NewServerSideReader(src io.Reader) *Reader { return NewReader(src, ws.StateServerSide) }

// NextReader reads the header of the next message or control frame from src and
// returns it with a reader of its payload, over all fragments. Nothing is limited,
// and control frames between the fragments are skipped. The caller reads the payload
// to its end before it reads anything else from src.
func NextReader(src io.Reader, s ws.State) (ws.Header, io.Reader, error) {
	r := NewReader(src, s)
	h, err := r.NextFrame()
	if err != nil {
		return h, nil, err
	}
	return h, r, nil
}
