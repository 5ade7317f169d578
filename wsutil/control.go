package wsutil

import (
	"bufio"
	"errors"
	"io"
	"sync"

	"github.com/wskit/wskit/internal/framing"
	"github.com/wskit/wskit/ws"
)

// ErrNotControlFrame reports that a function that handles control frames was
// given a data frame or message.
var ErrNotControlFrame = errors.New("wsutil: not a control frame")

// FrameHandlerFunc handles a frame. It gets the header and a reader of the
// unmasked payload, which ends at the end of the frame. The reader is valid
// until the function returns. The caller skips payload that the function does
// not read.
type FrameHandlerFunc func(h ws.Header, payload io.Reader) error

// ControlHandler answers control frames (RFC 6455, section 5.5): a ping with a
// pong of the same payload, and a close frame with a close frame. Each answer
// is one Write. If Dst is a *bufio.Writer or *bufio.ReadWriter, it is flushed.
type ControlHandler struct {
	Src   io.Reader // yields the payload
	Dst   io.Writer
	State ws.State // the side of the caller

	// DisableSrcCiphering says that Src returns unmasked payload, as a [Reader]
	// does. If it is false and h.Masked is set, the handler unmasks the
	// payload.
	DisableSrcCiphering bool
}

// Handle reads the whole payload of the control frame with header h from Src,
// and answers it. It returns nil after a ping or pong, and a [ClosedError]
// after a close frame. It returns [ErrNotControlFrame] for other frames,
// without reading. It returns a *[ws.ProtocolError] for a payload of more than
// 125 bytes and for an invalid close frame (see [ControlHandler.HandleClose]),
// and [ws.ErrHeaderLengthUnexpected] for a negative length. Other errors are
// those of Src or Dst.
func (c ControlHandler) Handle(h ws.Header) error {
	switch h.OpCode {
	case ws.OpPing:
		return c.HandlePing(h)
	case ws.OpPong:
		return c.HandlePong(h)
	case ws.OpClose:
		return c.HandleClose(h)
	}
	return ErrNotControlFrame
}

// HandlePing is [ControlHandler.Handle] for a ping (RFC 6455, section 5.5.2).
func (c ControlHandler) HandlePing(h ws.Header) error { return c.handle(ws.OpPing, h) }

// HandlePong is [ControlHandler.Handle] for a pong, which needs no answer (RFC
// 6455, section 5.5.3).
func (c ControlHandler) HandlePong(h ws.Header) error { return c.handle(ws.OpPong, h) }

// HandleClose is [ControlHandler.Handle] for a close frame (RFC 6455, sections
// 5.5.1 and 7.4). The answer echoes the code and reason, or has none if the
// frame had none. If the body is invalid, the answer has the code and reason of
// the fault, and HandleClose returns the *[ws.ProtocolError]. The caller must
// not send anything after the answer.
func (c ControlHandler) HandleClose(h ws.Header) error { return c.handle(ws.OpClose, h) }

func (c ControlHandler) handle(op ws.OpCode, h ws.Header) error {
	if err := checkControlLength(op, h.Length); err != nil {
		return err
	}
	b := controlBuffers.Get().(*controlBuffer)
	defer controlBuffers.Put(b)
	payload := b.payload[:h.Length]
	switch {
	case len(payload) > 0 && c.Src == nil:
		return errNilSource
	case c.Dst == nil && op != ws.OpPong:
		return errNilDestination
	case len(payload) > 0:
		if _, err := io.ReadFull(c.Src, payload); err != nil {
			return inside(err)
		}
	}
	if h.Masked && !c.DisableSrcCiphering {
		ws.Cipher(payload, h.Mask, 0)
	}
	return b.answer(c.Dst, c.State, op, payload)
}

// checkControlLength protects our buffers from a header that was not checked.
func checkControlLength(op ws.OpCode, n int64) error {
	if n < 0 {
		return ws.ErrHeaderLengthUnexpected
	}
	return ws.CheckHeader(ws.Header{Fin: true, OpCode: op, Length: n}, 0)
}

// inside returns err, with io.EOF replaced by io.ErrUnexpectedEOF.
func inside(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// controlBuffer holds memory for a control frame and its answer.
type controlBuffer struct {
	payload [ws.MaxControlFramePayloadSize]byte
	out     [ws.MaxHeaderSize + ws.MaxControlFramePayloadSize]byte
}

var controlBuffers = sync.Pool{New: func() any { return new(controlBuffer) }}

// answer writes the answer to a control frame with this payload to w. It
// returns the error of w, or else the error of appendAnswer.
func (b *controlBuffer) answer(w io.Writer, s ws.State, op ws.OpCode, payload []byte) error {
	out, came := appendAnswer(b.out[:0], s, op, payload)
	if len(out) == 0 {
		return came
	}
	if err := writeNow(w, out); err != nil {
		return err
	}
	return came
}

// appendAnswer appends the frame that answers a control frame to dst. A pong
// gets no answer. For a close frame, the error is a [ClosedError], or the fault
// in its payload.
func appendAnswer(dst []byte, s ws.State, op ws.OpCode, payload []byte) ([]byte, error) {
	switch op {
	case ws.OpPing:
		return appendControl(dst, s, ws.OpPong, payload), nil
	case ws.OpClose:
		code, reason, err := ws.ParseCloseBody(payload)
		if err == nil {
			err = ClosedError{code, reason}
		}
		return appendClose(dst, s, err), err
	}
	return dst, nil
}

// appendClose appends the close frame that answers err.
func appendClose(dst []byte, s ws.State, err error) []byte {
	code, reason := CloseReply(err)
	var body [ws.MaxControlFramePayloadSize]byte
	return appendControl(dst, s, ws.OpClose, ws.AppendCloseBody(body[:0], code, reason))
}

// appendControl appends a control frame as sent by the side in s.
func appendControl(dst []byte, s ws.State, op ws.OpCode, payload []byte) []byte {
	return appendFrame(dst, framing.Lead(true, 0, byte(op)), s.ClientSide(), payload)
}

// writeNow writes p with one Write and flushes w. The peer waits for p, and the
// caller's next write may come much later.
func writeNow(w io.Writer, p []byte) error {
	if err := writeFull(w, p); err != nil {
		return err
	}
	switch w := w.(type) {
	case *bufio.Writer:
		return w.Flush()
	case *bufio.ReadWriter:
		return w.Flush()
	}
	return nil
}

// ControlFrameHandler returns a function that answers control frames on w as
// [ControlHandler] does. It can be used as [Reader].OnIntermediate, and for the
// control frames that [Reader.NextFrame] returns.
func ControlFrameHandler(w io.Writer, s ws.State) FrameHandlerFunc {
	return func(h ws.Header, payload io.Reader) error {
		return ControlHandler{Src: payload, Dst: w, State: s, DisableSrcCiphering: true}.Handle(h)
	}
}

// HandleControlMessage answers a control frame that [ReadMessage] returned. It
// writes and returns the same as [ControlHandler.Handle]. s is the side of the
// caller.
func HandleControlMessage(w io.Writer, s ws.State, m Message) error {
	switch m.OpCode {
	case ws.OpPing, ws.OpPong, ws.OpClose:
	default:
		return ErrNotControlFrame
	}
	if err := checkControlLength(m.OpCode, int64(len(m.Payload))); err != nil {
		return err
	}
	b := controlBuffers.Get().(*controlBuffer)
	defer controlBuffers.Put(b)
	return b.answer(w, s, m.OpCode, m.Payload)
}

// ControlWriter writes one control frame. Write collects the payload, and
// [ControlWriter.Flush] sends the frame with one Write. It is not safe for
// concurrent use.
type ControlWriter struct {
	w *Writer
}

// NewControlWriter returns a ControlWriter of frames with opcode op and up to
// 125 bytes of payload. s is the side of the caller.
func NewControlWriter(dest io.Writer, s ws.State, op ws.OpCode) *ControlWriter {
	return &ControlWriter{NewWriterSize(dest, s, op, ws.MaxControlFramePayloadSize)}
}

// NewControlWriterBuffer is [NewControlWriter] with buf as the buffer. The
// header takes 2 bytes of it on a server and 6 on a client. A shorter buf
// limits the payload further. NewControlWriterBuffer panics if buf has no room
// for payload. The ControlWriter uses buf until it is discarded.
func NewControlWriterBuffer(dest io.Writer, s ws.State, op ws.OpCode, buf []byte) *ControlWriter {
	const maxPayload = ws.MaxControlFramePayloadSize
	size := ws.HeaderSize(ws.Header{Masked: s.ClientSide(), Length: maxPayload}) + maxPayload
	return &ControlWriter{NewWriterBuffer(dest, s, op, buf[:min(len(buf), size)])}
}

// Write adds p to the payload and does not retain p. If the payload would
// become too long, Write adds nothing and returns [ErrControlOverflow]; the
// payload so far can still be sent. After a Write of an empty p, Flush also
// sends a frame.
func (c *ControlWriter) Write(p []byte) (int, error) {
	if c.w == nil {
		return 0, errNilDestination
	}
	if c.w.err == nil && len(p) > c.w.Available() {
		return 0, ErrControlOverflow
	}
	return c.w.Write(p)
}

// Flush sends the frame; the next Write begins another one. Flush does nothing
// if Write was not called since the last Flush.
func (c *ControlWriter) Flush() error {
	if c.w == nil {
		return errNilDestination
	}
	return c.w.Flush()
}
