package wsutil

import (
	"bufio"
	"errors"
	"io"
	"sync"

	"github.com/wskit/wskit/internal/framing"
	"github.com/wskit/wskit/ws"
)

// ErrNotControlFrame says that a function that answers close, ping and pong was
// given another frame or message.
var ErrNotControlFrame = errors.New("wsutil: not a control frame")

// FrameHandlerFunc is called with a frame: its header, and a reader of its payload,
// unmasked, that ends where the frame ends. The reader is valid until the function
// returns; what it leaves unread is skipped.
type FrameHandlerFunc func(h ws.Header, payload io.Reader) error

// ControlHandler answers control frames (RFC 6455, section 5.5): a ping with a pong
// of the same payload, a close frame with a close frame. Each answer is one Write;
// where Dst is a *bufio.Writer or *bufio.ReadWriter it is flushed.
type ControlHandler struct {
	Src   io.Reader // yields the payload
	Dst   io.Writer
	State ws.State // the side on which we are

	// DisableSrcCiphering says that Src yields the payload unmasked, as a [Reader]
	// does. Otherwise it is unmasked if its header says that it is masked.
	DisableSrcCiphering bool
}

// Handle reads the payload of the control frame with header h from Src, all of it
// and no more, and answers. It returns nil after ping and pong, a [ClosedError]
// after a close frame, [ErrNotControlFrame] for other frames, of which it reads
// nothing, a *[ws.ProtocolError] for what [ControlHandler.HandleClose] refuses and
// for a payload of more than 125 bytes, [ws.ErrHeaderLengthUnexpected] for a negative
// length, and otherwise the error of Src or Dst.
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

// HandlePong is [ControlHandler.Handle] for a pong, which asks for no answer (RFC
// 6455, section 5.5.3).
func (c ControlHandler) HandlePong(h ws.Header) error { return c.handle(ws.OpPong, h) }

// HandleClose is [ControlHandler.Handle] for a close frame (RFC 6455, sections 5.5.1
// and 7.4). The answer has the code and reason that came, or none if none came; if the body is
// not valid, the code and reason that say so, and the error is the *[ws.ProtocolError]. Nothing
// may be sent afterwards.
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

// checkControlLength guards our buffers against a header that nobody has checked.
func checkControlLength(op ws.OpCode, n int64) error {
	if n < 0 {
		return ws.ErrHeaderLengthUnexpected
	}
	return ws.CheckHeader(ws.Header{Fin: true, OpCode: op, Length: n}, 0)
}

// inside turns the end of a stream into the error that says it came too early.
func inside(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// controlBuffer lends the memory for a control frame and its answer.
type controlBuffer struct {
	payload [ws.MaxControlFramePayloadSize]byte
	out     [ws.MaxHeaderSize + ws.MaxControlFramePayloadSize]byte
}

var controlBuffers = sync.Pool{New: func() any { return new(controlBuffer) }}

// answer sends to w what answers a control frame with this payload. Its error is
// what came of the frame, unless w fails.
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

// appendAnswer appends to dst the frame that answers a control frame: nothing for a
// pong. The error says that the connection is closed, or why it has to be.
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

// appendControl appends a control frame as the side that s names sends it.
func appendControl(dst []byte, s ws.State, op ws.OpCode, payload []byte) []byte {
	return appendFrame(dst, framing.Lead(true, 0, byte(op)), s.ClientSide(), payload)
}

// writeNow writes p with one Write. An answer that waits in a buffer until the
// caller has something to say would be none.
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
// [ControlHandler] does, for [Reader].OnIntermediate and for the frames that
// [Reader.NextFrame] returns.
func ControlFrameHandler(w io.Writer, s ws.State) FrameHandlerFunc {
	return func(h ws.Header, payload io.Reader) error {
		return ControlHandler{Src: payload, Dst: w, State: s, DisableSrcCiphering: true}.Handle(h)
	}
}

// HandleControlMessage answers a control message that [ReadMessage] returned: what
// it writes and returns is what [ControlHandler.Handle] writes and returns. s is the
// side on which we are.
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

// ControlWriter writes one control frame: what is written is collected, and
// [ControlWriter.Flush] sends it with one Write. It is not for concurrent use.
type ControlWriter struct {
	w *Writer
}

// NewControlWriter returns a ControlWriter of frames of opcode op, for payloads of
// up to 125 bytes. s says on which side it writes.
func NewControlWriter(dest io.Writer, s ws.State, op ws.OpCode) *ControlWriter {
	return &ControlWriter{NewWriterSize(dest, s, op, ws.MaxControlFramePayloadSize)}
}

// NewControlWriterBuffer is [NewControlWriter] with buf as the buffer, of which 2
// bytes are for the header, or 6 on the client's side; it panics if nothing is left
// for payload, and uses no more than a control frame needs. A shorter buf makes for
// shorter payloads. The ControlWriter uses buf until it is discarded.
func NewControlWriterBuffer(dest io.Writer, s ws.State, op ws.OpCode, buf []byte) *ControlWriter {
	const most = ws.MaxControlFramePayloadSize
	size := ws.HeaderSize(ws.Header{Masked: s.ClientSide(), Length: most}) + most
	return &ControlWriter{NewWriterBuffer(dest, s, op, buf[:min(len(buf), size)])}
}

// Write adds p to the payload; it does not retain p. If the payload would become
// too long it takes nothing and returns [ErrControlOverflow], and the payload may
// still be sent as it was. Even an empty p makes for a frame.
func (c *ControlWriter) Write(p []byte) (int, error) {
	if c.w == nil {
		return 0, errNilDestination
	}
	if c.w.err == nil && len(p) > c.w.Available() {
		return 0, ErrControlOverflow
	}
	return c.w.Write(p)
}

// Flush sends the frame; the next Write begins another. If nothing was written
// since the last Flush, not even no bytes, it does nothing.
func (c *ControlWriter) Flush() error {
	if c.w == nil {
		return errNilDestination
	}
	return c.w.Flush()
}
