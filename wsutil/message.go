package wsutil

import (
	"bufio"
	"io"
	"math"

	"github.com/wskit/wskit/ws"
)

// Message is a message, all its fragments together, or a control frame. Who makes it
// owns Payload.
type Message struct {
	OpCode  ws.OpCode
	Payload []byte
}

// AppendMessage reads the next data message whole, appends its payload to dst and
// returns the extended slice. Control frames before and inside it are given to
// OnIntermediate, or skipped. What is left of a message that is open is skipped
// first. On an error dst comes back as long as it was.
//
// dst grows with the bytes that arrive, never with the length that was declared, and
// nothing is allocated as long as dst has room.
func (r *Reader) AppendMessage(dst []byte) ([]byte, ws.OpCode, error) {
	return r.appendMessage(dst, 0)
}

// appendMessage is AppendMessage for messages of opcode want, if that is not 0; it
// skips others.
func (r *Reader) appendMessage(dst []byte, want ws.OpCode) ([]byte, ws.OpCode, error) {
	if err := r.Discard(); err != nil {
		return dst, 0, err
	}
	for {
		h, err := r.NextFrame()
		switch {
		case err != nil:
			return dst, 0, err
		case h.OpCode.IsControl():
			err = r.handleControl(h)
		case want != 0 && h.OpCode != want:
			err = r.Discard()
		default:
			dst, err = r.appendRest(dst)
			return dst, h.OpCode, err
		}
		if err != nil {
			return dst, 0, err
		}
	}
}

// handleControl gives the control frame that is open to OnIntermediate.
func (r *Reader) handleControl(h ws.Header) error {
	if r.OnIntermediate == nil {
		return nil // NextFrame skips it
	}
	return r.keep(inside(r.OnIntermediate(h, (*frameReader)(r))))
}

// appendRest appends what is to come of the open message.
func (r *Reader) appendRest(dst []byte) ([]byte, error) {
	begin := len(dst)
	for {
		var err error
		if dst, err = r.appendFrame(dst, begin); err != nil {
			return dst[:begin], r.keep(err)
		}
		if err = r.endFrame(); err == io.EOF {
			return dst, nil
		}
		if err == nil {
			err = r.nextFragment()
		}
		if err != nil {
			return dst[:begin], r.keep(err)
		}
	}
}

// nextFragment goes to the next continuation of the open message.
func (r *Reader) nextFragment() error {
	for !r.open {
		if _, err := r.NextFrame(); err != nil {
			return err
		}
	}
	return nil
}

// mostRead is how much is read at once: what has just arrived is unmasked while it is
// in the cache. A message of 1 MiB takes half the time that one large Read takes.
const mostRead = 128 << 10

// appendFrame appends what is left of the open frame. The message begins at
// dst[begin]. What is before it makes dst grow by a share of that, as append does, so that
// messages that are gathered in one slice are not copied for each of them.
func (r *Reader) appendFrame(dst []byte, begin int) ([]byte, error) {
	if r.left > int64(math.MaxInt-len(dst)) {
		return dst, ErrMessageTooLarge
	}
	for r.left > 0 {
		if len(dst) == cap(dst) {
			step := max(r.growth(len(dst)-begin), begin/4)
			dst = append(make([]byte, 0, len(dst)+min(step, math.MaxInt-len(dst))), dst...)
		}
		n, err := r.readPayload(dst[len(dst):min(cap(dst), len(dst)+mostRead)])
		dst = dst[:len(dst)+n]
		if err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// Steps in which memory grows: firstStep at most for a frame of which nothing has
// arrived, and leastStep at least for a message of which more frames are to come.
const (
	firstStep = 16 << 10
	leastStep = 512
)

// growth returns how much room to make for what is left of the open frame, when
// that many bytes of the message have arrived. All in all it is never more than four
// times those, so that a peer has to send what it wants us to hold; and before the
// last frame never less than twice, so that a message of tiny fragments is not copied
// for each of them.
func (r *Reader) growth(arrived int) int {
	most := max(firstStep, 3*int64(arrived))
	switch src := r.Source.(type) {
	case *bufio.Reader:
		most = max(most, int64(src.Buffered()))
	case *bufio.ReadWriter:
		most = max(most, int64(src.Reader.Buffered()))
	}
	step := int(min(r.left, most))
	if r.State.Fragmented() {
		step = max(step, arrived, leastStep)
	}
	return step
}
