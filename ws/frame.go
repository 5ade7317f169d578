package ws

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
)

// Frame is a frame (RFC 6455, section 5.2). Payload is in wire form: if
// Header.Masked is set, it is masked. Functions that make and modify frames
// keep Header.Length equal to len(Payload).
type Frame struct {
	Header  Header
	Payload []byte
}

// NewFrame returns an unmasked frame. It does not copy payload.
func NewFrame(op OpCode, fin bool, payload []byte) Frame {
	return Frame{Header{Fin: fin, OpCode: op, Length: int64(len(payload))}, payload}
}

// NewTextFrame returns a text message in one unmasked frame.
func NewTextFrame(payload []byte) Frame { return NewFrame(OpText, true, payload) }

// NewBinaryFrame returns a binary message in one unmasked frame.
func NewBinaryFrame(payload []byte) Frame { return NewFrame(OpBinary, true, payload) }

// NewPingFrame returns an unmasked ping. Peers refuse one with a payload of
// more than 125 bytes.
func NewPingFrame(payload []byte) Frame { return NewFrame(OpPing, true, payload) }

// NewPongFrame returns an unmasked pong. Peers refuse one with a payload of
// more than 125 bytes.
func NewPongFrame(payload []byte) Frame { return NewFrame(OpPong, true, payload) }

// NewCloseFrame returns an unmasked close frame. body is empty or the result of
// [AppendCloseBody].
func NewCloseFrame(body []byte) Frame { return NewFrame(OpClose, true, body) }

// MaskFrame returns a copy of f, masked with a new key. It does not modify
// f.Payload. If f is already masked, the new key replaces the old one.
func MaskFrame(f Frame) Frame { return MaskFrameWith(f, NewMask()) }

// MaskFrameWith is [MaskFrame] with the caller's key.
func MaskFrameWith(f Frame, key [4]byte) Frame {
	f.Payload = bytes.Clone(f.Payload)
	return MaskFrameInPlaceWith(f, key)
}

// MaskFrameInPlace masks f.Payload in place with a new key and returns the
// masked frame. f must not be used afterwards, because its header no longer
// matches the payload.
func MaskFrameInPlace(f Frame) Frame { return MaskFrameInPlaceWith(f, NewMask()) }

// MaskFrameInPlaceWith is [MaskFrameInPlace] with the caller's key.
func MaskFrameInPlaceWith(f Frame, key [4]byte) Frame {
	f = UnmaskFrameInPlace(f)
	Cipher(f.Payload, key, 0)
	f.Header.Masked = true
	f.Header.Mask = key
	return f
}

// UnmaskFrame returns an unmasked copy of f. It does not modify f.Payload. It
// also copies a frame that is not masked.
func UnmaskFrame(f Frame) Frame {
	f.Payload = bytes.Clone(f.Payload)
	return UnmaskFrameInPlace(f)
}

// UnmaskFrameInPlace unmasks f.Payload in place and returns the unmasked frame.
// It returns a frame that is not masked unchanged. f must not be used
// afterwards, because its header no longer matches the payload.
func UnmaskFrameInPlace(f Frame) Frame {
	if f.Header.Masked {
		Cipher(f.Payload, f.Header.Mask, 0)
		f.Header.Masked = false
		f.Header.Mask = [4]byte{}
	}
	return f
}

// AppendFrame appends the wire form of f to dst: the header and the payload.
// The length in the header is that of f.Payload; f.Header.Length is ignored.
// AppendFrame does not fail, and allocates only if dst has no room.
func AppendFrame(dst []byte, f Frame) []byte {
	f.Header.Length = int64(len(f.Payload))
	return append(AppendHeader(dst, f.Header), f.Payload...)
}

// FrameInPlace makes a frame of buf without a copy. The payload is
// buf[MaxHeaderSize:]; the bytes before it are room for the header.
// FrameInPlace writes the header right before the payload (RFC 6455, section
// 5.2). The length in the header is that of the payload; h.Length is ignored.
// If h.Masked is set, it masks the payload with h.Mask. It returns the wire
// form of the frame, which is a view of buf.
//
// If buf has fewer than [MaxHeaderSize] bytes, it returns [ErrNoHeaderRoom] and
// does not modify buf.
func FrameInPlace(buf []byte, h Header) ([]byte, error) {
	if len(buf) < MaxHeaderSize {
		return nil, ErrNoHeaderRoom
	}
	payload := buf[MaxHeaderSize:]
	h.Length = int64(len(payload))
	if h.Masked {
		Cipher(payload, h.Mask, 0)
	}
	begin := MaxHeaderSize - HeaderSize(h)
	AppendHeader(buf[begin:begin], h)
	return buf[begin:], nil
}

// ErrNoHeaderRoom is returned for a buffer of fewer than [MaxHeaderSize] bytes,
// which has no room for a header.
var ErrNoHeaderRoom = fmt.Errorf("ws: buffer does not begin with %d bytes of room for a header", MaxHeaderSize)

// CompileFrame returns the wire form of f in a slice of its own. It returns
// [ErrHeaderLengthUnexpected] if f.Header.Length is not len(f.Payload).
func CompileFrame(f Frame) ([]byte, error) {
	if f.Header.Length != int64(len(f.Payload)) {
		return nil, ErrHeaderLengthUnexpected
	}
	return AppendFrame(make([]byte, 0, MaxHeaderSize+len(f.Payload)), f), nil
}

// readStep is the maximum number of bytes that ReadFrame allocates before any
// of the payload has arrived.
const readStep = 4 << 10

// ReadFrame reads one frame from r. It does not read past the end of the frame.
// The caller owns the payload, which is in wire form: see [UnmaskFrameInPlace].
// ReadFrame has no limit, but allocates memory in proportion to the bytes that
// arrive, not to the declared length. It returns [io.EOF] if r ends before the
// frame, [io.ErrUnexpectedEOF] if r ends inside the frame, the errors of
// [ParseHeader], and other errors of r.
func ReadFrame(r io.Reader) (f Frame, err error) {
	if f.Header, err = ReadHeader(r); err != nil {
		return Frame{}, err
	}
	f.Payload, err = readPayload(r, int(f.Header.Length))
	if err != nil {
		return Frame{}, err
	}
	return f, nil
}

// readPayload reads n bytes. The slice never grows to more than twice the
// number of bytes that have arrived.
func readPayload(r io.Reader, n int) (p []byte, err error) {
	if n == 0 {
		return nil, nil
	}
	size := min(n, max(readStep, buffered(r)))
	for {
		have := len(p)
		p = append(make([]byte, 0, size), p...)[:size]
		if _, err := io.ReadFull(r, p[have:]); err != nil {
			return nil, inside(err)
		}
		if size == n {
			return p, nil
		}
		size = min(n-size, size) + size
	}
}

// buffered returns how many bytes r has buffered, or 0 if that is not known.
func buffered(r io.Reader) int {
	switch r := r.(type) {
	case *bufio.Reader:
		return r.Buffered()
	case *bufio.ReadWriter:
		return r.Reader.Buffered()
	}
	return 0
}

// maxCoalesced is the payload size up to which WriteFrame copies the payload
// after the header. Up to this size, the copy and one write of contiguous
// memory are cheaper on a socket than a vectored write of header and payload.
const maxCoalesced = 64 << 10

// frameBuffer holds the memory for writing a frame with one Write.
type frameBuffer struct {
	b     []byte      // the contiguous start of the frame
	parts [2][]byte   // b and the rest; the array that v refers to
	v     net.Buffers // consumed by WriteTo
}

var frameBuffers = sync.Pool{New: func() any { return new(frameBuffer) }}

// WriteFrame writes f to w: header and payload in one Write. A payload of more
// than 64 KiB needs one vectored write on sockets of package net, and two
// Writes elsewhere. WriteFrame does not modify or retain f.Payload, and does
// not allocate in steady state. If f.Header.Length is not len(f.Payload), it
// writes nothing and returns [ErrHeaderLengthUnexpected]. Other errors are
// those of w. Goroutines that write to the same w must synchronize.
func WriteFrame(w io.Writer, f Frame) error {
	if f.Header.Length != int64(len(f.Payload)) {
		return ErrHeaderLengthUnexpected
	}
	switch to := w.(type) {
	case *bufio.Writer:
		return bufferFrame(to, f)
	case *bufio.ReadWriter:
		return bufferFrame(to.Writer, f)
	case *unreadConn:
		w = to.Conn // which may be a socket
	}
	b := frameBuffers.Get().(*frameBuffer)
	defer frameBuffers.Put(b)
	return b.write(w, f)
}

func bufferFrame(bw *bufio.Writer, f Frame) error {
	if err := bufferHeader(bw, f.Header); err != nil {
		return err
	}
	_, err := bw.Write(f.Payload)
	return err
}

func (b *frameBuffer) write(w io.Writer, f Frame) error {
	var vectored bool
	switch w.(type) {
	case *net.TCPConn, *net.UnixConn:
		vectored = len(f.Payload) > maxCoalesced
	}
	near := f.Payload[:min(len(f.Payload), maxCoalesced)]
	if vectored {
		near = nil
	}
	far := f.Payload[len(near):]

	b.b = slices.Grow(b.b[:0], MaxHeaderSize+len(near))
	b.b = append(AppendHeader(b.b, f.Header), near...)
	if vectored {
		b.parts = [2][]byte{b.b, far}
		b.v = b.parts[:]
		_, err := b.v.WriteTo(w)
		b.parts = [2][]byte{}
		return err
	}
	err := writeFull(w, b.b)
	if err == nil && len(far) > 0 {
		err = writeFull(w, far)
	}
	return err
}
