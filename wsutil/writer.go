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

// DefaultWriteBuffer is the size of the buffer of a [Writer] that is told no
// other, with the room for the header.
const DefaultWriteBuffer = 4096

// Mistakes of the one who writes. The connection is as usable as before.
var (
	// ErrNotEmpty says that [Writer.WriteThrough] was called while the buffer
	// held data: call [Writer.FlushFragment] first.
	ErrNotEmpty = errors.New("wsutil: the writer's buffer is not empty")

	// ErrControlOverflow says that a control frame would get more than 125 bytes
	// of payload, or than its writer has room for, or would be fragmented (RFC
	// 6455, section 5.5).
	ErrControlOverflow = errors.New("wsutil: payload does not fit a control frame")

	errReleased = errors.New("wsutil: Writer used after PutWriter")
)

// Writer writes a message to a connection in frames: what is written is collected
// in a buffer and leaves it as a fragment when the buffer is full, and as the
// final frame at [Writer.Flush] (RFC 6455, section 5.4). Each frame is one Write of
// the destination: the buffer has room for the header in front of the payload. On
// the client's side it masks in its own buffer and leaves the caller's bytes as
// they are.
//
// Flush and FlushFragment empty this buffer alone: that of a *bufio.Writer or
// *bufio.ReadWriter it writes to is the caller's to flush.
//
// After an error every call returns that error, until a Reset. A frame that its peer would
// have to refuse is one: [ErrControlOverflow], or [ErrNotSendable] for a reserved opcode. A
// Writer is not for concurrent use, and what several Writers write to one connection is the
// caller's to serialise.
type Writer struct {
	dest       io.Writer
	state      ws.State
	op         ws.OpCode
	extensions []SendExtension
	noFlush    bool // grow instead of sending fragments
	borrowed   bool // raw is the caller's

	// raw[room:] is for the payload, of which raw[room:room+n] is buffered. The
	// header goes right in front of it, and has room for any payload that fits.
	raw  []byte
	room int
	n    int

	begun     bool // something was written to the message, if only no bytes
	continued bool // a fragment of the message has been sent
	err       error
}

// NewWriter returns a Writer of messages of opcode op with a buffer of
// [DefaultWriteBuffer] bytes. s says on which side it writes.
func NewWriter(dest io.Writer, s ws.State, op ws.OpCode) *Writer {
	return NewWriterBufferSize(dest, s, op, 0)
}

// NewWriterSize is [NewWriter] with a buffer for n bytes of payload; if n <= 0 it
// is NewWriter. It panics as make does where a slice of that size cannot be.
func NewWriterSize(dest io.Writer, s ws.State, op ws.OpCode, n int) *Writer {
	if n > 0 {
		n += min(ws.HeaderSize(ws.Header{Masked: s.ClientSide(), Length: int64(n)}), math.MaxInt-n)
	}
	return NewWriterBufferSize(dest, s, op, n)
}

// NewWriterBufferSize is [NewWriter] with a buffer of n bytes, of which up to 14
// are for the header; if n is too small for any payload it is NewWriter. It panics as
// make does where a slice of n bytes cannot be.
func NewWriterBufferSize(dest io.Writer, s ws.State, op ws.OpCode, n int) *Writer {
	if n <= headerRoom(s, n) {
		n = DefaultWriteBuffer
	}
	w := NewWriterBuffer(dest, s, op, make([]byte, n))
	w.borrowed = false
	return w
}

// NewWriterBuffer is [NewWriter] with buf, all of its length, as the buffer. Up to
// 14 bytes of it are for the header; it panics if nothing is left for payload. The
// Writer uses buf until it is discarded, or grows out of it.
func NewWriterBuffer(dest io.Writer, s ws.State, op ws.OpCode, buf []byte) *Writer {
	w := &Writer{raw: buf, borrowed: true}
	w.Reset(dest, s, op)
	return w
}

// headerRoom returns how many bytes of a buffer of n are for the header: enough
// for the longest payload that fits behind it.
func headerRoom(s ws.State, n int) (room int) {
	for _, most := range [...]int{125, math.MaxUint16, math.MaxInt} {
		room = ws.HeaderSize(ws.Header{Masked: s.ClientSide(), Length: int64(most)})
		if n-room <= most {
			break
		}
	}
	return room
}

// Reset makes w, with the buffer that it has, what [NewWriterBuffer] returns: no
// extension, no error, no data of before. It panics if the buffer is too small for
// the header and payload of that side.
func (w *Writer) Reset(dest io.Writer, s ws.State, op ws.OpCode) {
	room := headerRoom(s, len(w.raw))
	if len(w.raw) <= room {
		panic("wsutil: buffer of a Writer has no room for payload")
	}
	*w = Writer{dest: dest, state: s, op: op, raw: w.raw, room: room, borrowed: w.borrowed}
}

// ResetOp makes w begin a new message of opcode op. What is buffered and an error
// are forgotten; destination, side, extensions and DisableFlush stay. It is of no
// help if some fragments of a message have been sent and the final one has not, or
// if the destination has failed within a frame.
func (w *Writer) ResetOp(op ws.OpCode) {
	if w.err == errReleased {
		return // it may be another's already
	}
	*w = Writer{
		dest: w.dest, state: w.state, op: op, extensions: w.extensions, noFlush: w.noFlush,
		raw: w.raw, room: w.room, borrowed: w.borrowed,
	}
}

// SetExtensions makes xs the extensions that are asked, in this order, for the
// reserved bits of each frame. It retains xs.
func (w *Writer) SetExtensions(xs ...SendExtension) { w.extensions = xs }

// DisableFlush makes w collect the whole message and send it in one frame: the
// buffer grows where otherwise a fragment would be sent.
func (w *Writer) DisableFlush() { w.noFlush = true }

// Size returns for how many bytes of payload the buffer is.
func (w *Writer) Size() int { return len(w.raw) - w.room }

// Available returns how many more bytes of payload fit the buffer.
func (w *Writer) Available() int { return w.Size() - w.n }

// Buffered returns how many bytes of payload the buffer holds.
func (w *Writer) Buffered() int { return w.n }

// mostGrown is the size above which no buffer is a power of two.
const mostGrown = 1 << (bits.UintSize - 2)

// Grow makes room for n more bytes of payload. What is buffered moves once if the
// buffer has to be replaced. If n <= 0 it does nothing; it panics where there cannot be a
// buffer of that size.
func (w *Writer) Grow(n int) {
	if n <= w.Available() {
		return
	}
	if n > mostGrown-ws.MaxHeaderSize-w.n {
		panic("wsutil: buffer of a Writer would be too large")
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

// Write adds p to the message; it does not retain p. Fragments are sent as the
// buffer gets full, and p directly, as one fragment, if the buffer is empty and p
// does not fit it. A full buffer waits for more: if it holds the whole message it
// is sent in one frame. Even an empty p begins a message.
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

// fill copies what fits of p into the buffer.
func (w *Writer) fill(p []byte) int {
	n := copy(w.raw[w.room+w.n:], p)
	w.n += n
	return n
}

// WriteThrough sends p as a fragment at once, past the buffer, which must be empty:
// otherwise it returns [ErrNotEmpty]. It does not change or retain p. A server's is
// written as [ws.WriteFrame] does, a client's through a pooled buffer, with one
// Write for every MiB. The message still needs its [Writer.Flush].
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

// emptyReads is how many reads in a row may yield nothing before we give up.
const emptyReads = 100

// ReadFrom adds all that r yields to the message, reading straight into the buffer,
// and sends fragments as it gets full. It begins a message also if r is empty. It
// returns the error of r, which is not kept, or of the destination.
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

// FlushFragment sends what is buffered as a fragment that others follow. If
// nothing is, it does nothing.
func (w *Writer) FlushFragment() error {
	if w.err != nil || w.n == 0 {
		return w.err
	}
	w.err = w.send(false)
	w.continued = true
	return w.err
}

// Flush sends what is buffered as the final frame, which a buffer of the destination may keep,
// and so ends the message; w is
// then ready for the next, of the same opcode. An empty message, and the end of one
// whose bytes have all been sent, is an empty frame. If nothing was written since
// the last Flush, not even no bytes, it does nothing.
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

// header makes h the header of the next frame, but for its mask.
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
