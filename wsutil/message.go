package wsutil

import (
	"bufio"
	"io"
	"math"

	"github.com/wskit/wskit/ws"
)

// Message is a control frame, or a data message with all its fragments joined.
// The caller owns Payload.
type Message struct {
	OpCode  ws.OpCode
	Payload []byte
}

// AppendMessage reads the next data message, appends its payload to dst and
// returns the extended slice. It passes control frames before and inside the
// message to OnIntermediate, or skips them if that is nil. If a message is
// open, it first skips the rest of it. On error it returns dst with its
// original length.
//
// dst grows with the bytes that arrive, never with the declared length.
// AppendMessage does not allocate while dst has room.
func (r *Reader) AppendMessage(dst []byte) ([]byte, ws.OpCode, error) {
	return r.appendMessage(dst, 0)
}

// appendMessage is AppendMessage for messages with opcode want. It skips other
// messages, unless want is 0.
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

// handleControl passes the open control frame to OnIntermediate.
func (r *Reader) handleControl(h ws.Header) error {
	if r.OnIntermediate == nil {
		return nil // NextFrame skips it
	}
	return r.keep(inside(r.OnIntermediate(h, (*frameReader)(r))))
}

// appendRest appends the rest of the open message.
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

// nextFragment reads the header of the next continuation of the open message.
func (r *Reader) nextFragment() error {
	for !r.open {
		if _, err := r.NextFrame(); err != nil {
			return err
		}
	}
	return nil
}

// maxRead is the maximum size of one read. Unmasking bytes while they are in
// the cache halves the time for a message of 1 MiB.
const maxRead = 128 << 10

// appendFrame appends the rest of the open frame. The message begins at
// dst[begin]. dst grows by at least a quarter of the bytes before the message,
// so that gathering many messages in one slice does not copy all of them each
// time.
func (r *Reader) appendFrame(dst []byte, begin int) ([]byte, error) {
	if r.left > int64(math.MaxInt-len(dst)) {
		return dst, ErrMessageTooLarge
	}
	for r.left > 0 {
		if len(dst) == cap(dst) {
			step := max(r.growth(len(dst)-begin), begin/4)
			dst = append(make([]byte, 0, len(dst)+min(step, math.MaxInt-len(dst))), dst...)
		}
		n, err := r.readPayload(dst[len(dst):min(cap(dst), len(dst)+maxRead)])
		dst = dst[:len(dst)+n]
		if err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// Steps in which memory grows: at most firstStep before the first byte of a
// frame arrives, and at least minStep for a message with more frames to come.
const (
	firstStep = 16 << 10
	minStep   = 512
)

// growth returns the number of bytes by which memory grows for the rest of the
// open frame. arrived is the number of bytes of the message that have arrived.
// The total is at most four times arrived, so that memory stays in proportion
// to what the peer has sent. Before the last frame it is at least twice
// arrived, so that a message of tiny fragments is not copied for each of them.
func (r *Reader) growth(arrived int) int {
	limit := max(firstStep, 3*int64(arrived))
	switch src := r.Source.(type) {
	case *bufio.Reader:
		limit = max(limit, int64(src.Buffered()))
	case *bufio.ReadWriter:
		limit = max(limit, int64(src.Reader.Buffered()))
	}
	step := int(min(r.left, limit))
	if r.State.Fragmented() {
		step = max(step, arrived, minStep)
	}
	return step
}
