package wsutil

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/bits"

	"github.com/wskit/wskit/internal/framing"
	"github.com/wskit/wskit/ws"
)

// DefaultWriteBuffer is the default size of the buffer of a [Writer] in bytes,
// including room for the header.
const DefaultWriteBuffer = 4096

// Errors for mistakes of the caller. The connection stays usable.
var (
	// ErrNotEmpty reports that [Writer.WriteThrough] was called while the
	// buffer held data: call [Writer.FlushFragment] first.
	ErrNotEmpty = errors.New("wsutil: WriteThrough while the buffer is not empty")

	// ErrControlOverflow reports that a control frame would have more than 125
	// bytes of payload, more than its writer has room for, or fragments (RFC
	// 6455, section 5.5).
	ErrControlOverflow = errors.New("wsutil: payload does not fit in a control frame")

	errReleased = errors.New("wsutil: Writer used after PutWriter")
)

// Writer writes messages to a connection. It collects a message in a buffer and
// sends a fragment whenever the buffer is full; [Writer.Flush] sends the final
// frame (RFC 6455, section 5.4). Each frame is one Write of the destination.
// The buffer has room for the header before the payload. A client masks in this
// buffer, so that the caller's bytes do not change.
//
// Flush and FlushFragment do not flush the destination: if it is a
// *bufio.Writer or *bufio.ReadWriter, the caller flushes that.
//
// After an error all calls return that error, until Reset. A frame that the
// peer would have to refuse is such an error: [ErrControlOverflow], or
// [ErrNotSendable] for a reserved opcode. A Writer is not safe for concurrent
// use. The caller serializes several Writers of one connection.
type Writer struct {
	dest       io.Writer
	state      ws.State
	op         ws.OpCode
	extensions []SendExtension
	noFlush    bool // grow instead of sending fragments
	borrowed   bool // the caller owns raw

	// raw[room:] is for payload; raw[room:room+n] is buffered. The header is
	// written directly before the payload. room is enough for any payload that
	// fits.
	raw  []byte
	room int
	n    int

	begun     bool // Write was called for this message, perhaps without bytes
	continued bool // a fragment of the message has been sent
	err       error
}

// NewWriter returns a Writer of messages with opcode op and a buffer of
// [DefaultWriteBuffer] bytes. s is the side of the caller.
func NewWriter(dest io.Writer, s ws.State, op ws.OpCode) *Writer {
	return NewWriterBufferSize(dest, s, op, 0)
}

// NewWriterSize is [NewWriter] with a buffer for n bytes of payload. If n <= 0
// it uses the default size. It panics if n is larger than a slice can be.
func NewWriterSize(dest io.Writer, s ws.State, op ws.OpCode, n int) *Writer {
	if n > 0 {
		n += min(ws.HeaderSize(ws.Header{Masked: s.ClientSide(), Length: int64(n)}), math.MaxInt-n)
	}
	return NewWriterBufferSize(dest, s, op, n)
}

// NewWriterBufferSize is [NewWriter] with a buffer of n bytes, of which up to
// 14 are for the header. If n leaves no room for payload, it uses the default
// size. It panics if n is larger than a slice can be.
func NewWriterBufferSize(dest io.Writer, s ws.State, op ws.OpCode, n int) *Writer {
	if n <= headerRoom(s, n) {
		n = DefaultWriteBuffer
	}
	w := NewWriterBuffer(dest, s, op, make([]byte, n))
	w.borrowed = false
	return w
}

// NewWriterBuffer is [NewWriter] with the buffer buf[:len(buf)], of which up to
// 14 bytes are for the header. It panics if buf has no room for payload. The
// Writer uses buf until it is discarded or needs a larger buffer.
func NewWriterBuffer(dest io.Writer, s ws.State, op ws.OpCode, buf []byte) *Writer {
	w := &Writer{raw: buf, borrowed: true}
	w.Reset(dest, s, op)
	return w
}

// headerRoom returns how many of n bytes of buffer are for the header: enough
// for the longest payload that fits in the rest.
func headerRoom(s ws.State, n int) (room int) {
	for _, payload := range [...]int{125, math.MaxUint16, math.MaxInt} {
		room = ws.HeaderSize(ws.Header{Masked: s.ClientSide(), Length: int64(payload)})
		if n-room <= payload {
			break
		}
	}
	return room
}

// Reset discards buffered data, errors and extensions, and makes w write to
// dest. It keeps the buffer. It panics if the buffer has no room for payload
// after the header of side s.
func (w *Writer) Reset(dest io.Writer, s ws.State, op ws.OpCode) {
	room := headerRoom(s, len(w.raw))
	if len(w.raw) <= room {
		panic("wsutil: Writer buffer has no room for payload")
	}
	*w = Writer{dest: dest, state: s, op: op, raw: w.raw, room: room, borrowed: w.borrowed}
}

// ResetOp discards buffered data and errors, and makes w begin a new message
// with opcode op. Destination, side, extensions and DisableFlush stay. The
// stream of frames stays broken if the final frame of a message is missing, or
// if the destination failed within a frame.
func (w *Writer) ResetOp(op ws.OpCode) {
	if w.err == errReleased {
		return // another goroutine may own it already
	}
	*w = Writer{
		dest: w.dest, state: w.state, op: op, extensions: w.extensions, noFlush: w.noFlush,
		raw: w.raw, room: w.room, borrowed: w.borrowed,
	}
}

// SetExtensions sets the extensions that set the reserved bits of each frame,
// in this order. It retains xs.
func (w *Writer) SetExtensions(xs ...SendExtension) { w.extensions = xs }

// DisableFlush makes w collect the whole message and send it in one frame: the
// buffer grows instead of sending fragments.
func (w *Writer) DisableFlush() { w.noFlush = true }

// Size returns the size of the buffer in bytes of payload.
func (w *Writer) Size() int { return len(w.raw) - w.room }

// Available returns how many more bytes of payload fit in the buffer.
func (w *Writer) Available() int { return w.Size() - w.n }

// Buffered returns the number of bytes of payload in the buffer.
func (w *Writer) Buffered() int { return w.n }

// maxGrown is the largest power of two that a buffer can have as its size.
const maxGrown = 1 << (bits.UintSize - 2)

// Grow makes room for n more bytes of payload. If it replaces the buffer, it
// copies buffered bytes once. If n <= 0 it does nothing. It panics if a buffer
// of that size is impossible.
func (w *Writer) Grow(n int) {
	if n <= w.Available() {
		return
	}
	if n > maxGrown-ws.MaxHeaderSize-w.n {
		panic("wsutil: Writer buffer would be too large")
	}
	need := w.n + n
	need += ws.HeaderSize(ws.Header{Masked: w.state.ClientSide(), Length: int64(need)})
	size := 1 << bits.Len(uint(need-1))
	room := headerRoom(w.state, size)
	if size-room < w.n+n { // a larger buffer has more room for the header
		size *= 2
		room = headerRoom(w.state, size)
	}
	raw := make([]byte, size)
	copy(raw[room:], w.raw[w.room:w.room+w.n])
	w.raw, w.room, w.borrowed = raw, room, false
}

// Write adds p to the message and does not retain p. It sends fragments as the
// buffer gets full. If the buffer is empty and p does not fit in it, Write
// sends p directly as one fragment. A full buffer is not sent until more is
// written, so that a message that just fits is one frame. Write begins a
// message even if p is empty.
func (w *Writer) Write(p []byte) (n int, err error) {
	w.begun = true
	for len(p) > w.Available() && w.err == nil {
		var did int
		switch {
		case w.noFlush:
			w.Grow(len(p))
		case w.n == 0:
			did, _ = w.WriteThrough(p)
		default:
			did = w.fill(p)
			w.FlushFragment()
		}
		n += did
		p = p[did:]
	}
	if w.err != nil {
		return n, w.err
	}
	return n + w.fill(p), nil
}

// fill copies as much of p as fits into the buffer.
func (w *Writer) fill(p []byte) int {
	n := copy(w.raw[w.room+w.n:], p)
	w.n += n
	return n
}

// WriteThrough sends p as a fragment at once, without buffering. The buffer
// must be empty, otherwise it returns [ErrNotEmpty]. It does not modify or
// retain p. A server writes as [ws.WriteFrame] does. A client writes through a
// pooled buffer, with one Write for each MiB. [Writer.Flush] still ends the
// message.
func (w *Writer) WriteThrough(p []byte) (n int, err error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.n > 0 {
		return 0, ErrNotEmpty
	}
	var h ws.Header
	if err = w.header(&h, len(p), false); err == nil {
		err = writeFrame(w.dest, w.state, &h, p)
	}
	if w.err = err; err != nil {
		return 0, err
	}
	w.begun, w.continued = true, true
	return len(p), nil
}

// emptyReads is the number of consecutive empty reads after which a read fails.
const emptyReads = 100

// ReadFrom adds everything that r returns to the message, and sends fragments
// as the buffer gets full. It reads directly into the buffer. It begins a
// message even if r is empty. It returns the error of r or of the destination.
// Only an error of the destination is kept.
func (w *Writer) ReadFrom(r io.Reader) (n int64, err error) {
	w.begun = true
	for empty := 0; ; {
		if w.err != nil {
			return n, w.err
		}
		if w.Available() == 0 {
			if w.noFlush {
				w.Grow(w.Size())
			} else if w.FlushFragment() != nil {
				return n, w.err
			}
		}
		did, err := r.Read(w.raw[w.room+w.n:])
		w.n += did
		n += int64(did)
		switch {
		case err == io.EOF:
			return n, nil
		case err != nil:
			return n, err
		case did > 0:
			empty = 0
		default:
			if empty++; empty == emptyReads {
				return n, io.ErrNoProgress
			}
		}
	}
}

// FlushFragment sends the buffered bytes as a fragment that others follow. It
// does nothing if the buffer is empty.
func (w *Writer) FlushFragment() error {
	if w.err != nil || w.n == 0 {
		return w.err
	}
	w.err = w.send(false)
	w.continued = true
	return w.err
}

// Flush sends the buffered bytes as the final frame of the message. w is then
// ready for the next message with the same opcode. The frame is empty if the
// message is empty or its bytes have all been sent. Flush does nothing if
// nothing was written since the last Flush; a Write without bytes counts. It
// does not flush the destination.
func (w *Writer) Flush() error {
	if w.err != nil || !w.begun {
		return w.err
	}
	w.err = w.send(true)
	w.begun, w.continued = false, false
	return w.err
}

// send writes the buffer as one frame and empties it.
func (w *Writer) send(fin bool) error {
	var h ws.Header
	if err := w.header(&h, w.n, fin); err != nil {
		return err
	}
	n, masked := uint64(w.n), w.state.ClientSide()
	end := w.room + w.n
	begin := w.room - framing.Size(n, masked)
	w.n = 0
	if masked {
		key := ws.NewMask()
		ws.Cipher(w.raw[w.room:end], key, 0)
		framing.AppendMasked(w.raw[begin:begin], lead(&h), n, binary.LittleEndian.Uint32(key[:]))
	} else {
		framing.Append(w.raw[begin:begin], lead(&h), n)
	}
	return writeFull(w.dest, w.raw[begin:end])
}

// header makes h the header of the next frame, without its mask.
func (w *Writer) header(h *ws.Header, n int, fin bool) error {
	h.Fin, h.OpCode, h.Length = fin, w.op, int64(n)
	switch {
	case w.op.IsReserved():
		return unsendable(ws.ErrProtocolOpCodeReserved)
	case w.op.IsControl() && (!fin || n > ws.MaxControlFramePayloadSize):
		return ErrControlOverflow
	}
	if w.continued {
		h.OpCode = ws.OpContinuation
	}
	for _, x := range w.extensions {
		changed, err := x.SetBits(*h)
		if err != nil {
			return err
		}
		h.Rsv = changed.Rsv
	}
	return nil
}
