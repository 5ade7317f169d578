package wsutil

import (
	"errors"
	"io"
	"math"

	"github.com/wskit/wskit/ws"
)

// ErrNoFrameAdvance reports that [Reader.Read] was called without an open
// message: call [Reader.NextFrame] first. The Reader stays usable.
var ErrNoFrameAdvance = errors.New("wsutil: Read before NextFrame")

// Reader reads messages from a connection in pieces of any size, without a
// buffer of its own. [Reader.NextFrame] reads the header of the next message or
// control frame. [Reader.Read] reads its unmasked payload over all fragments. A
// Reader consumes no byte after the current frame.
//
// Set the fields before the first call. State holds the side of the caller and
// the reserved bits that extensions claim. The Reader maintains
// [ws.StateFragmented] in it.
//
// All calls return the first error until Reset. The exception is an error of
// Source before a frame, such as a timeout: the next call continues. A fault of
// the peer is a *[ws.ProtocolError], and [CloseCode] returns the code that
// answers it. The end of the connection is [io.EOF] between messages and
// [io.ErrUnexpectedEOF] within a message. A Reader is not safe for concurrent
// use.
type Reader struct {
	Source io.Reader
	State  ws.State

	// SkipHeaderCheck disables [ws.CheckHeader].
	SkipHeaderCheck bool

	// NonMinimalLengths accepts lengths that are not in their shortest form, as
	// [ws.ParseHeaderNonMinimal] does.
	NonMinimalLengths bool

	// CheckUTF8 makes Read return [ErrInvalidUTF8] for text that is not valid
	// UTF-8, as soon as the invalid byte arrives (RFC 6455, section 8.1). It
	// checks neither skipped payload nor messages with reserved bits, whose
	// payload an extension has changed.
	CheckUTF8 bool

	// Extensions handle the reserved bits of each header, in this order.
	Extensions []RecvExtension

	// MaxFrameSize is the maximum payload of a data frame in bytes, and
	// MaxMessageSize that of a message. A frame that exceeds them is refused
	// when its header arrives, with [ErrFrameTooLarge] or [ErrMessageTooLarge].
	// Values below 1 mean no limit. Unlike elsewhere, 0 is not a default,
	// because these fields mean the same in github.com/gobwas/ws.
	MaxFrameSize, MaxMessageSize int64

	// MaxFragments is the maximum number of frames of a message; a longer
	// message is refused with [ErrTooManyFragments]. 0 means
	// [DefaultMaxFragments], and a negative value means no limit.
	MaxFragments int

	// OnContinuation is called with each continuation frame. [Reader.Read] does
	// not return payload that OnContinuation has read.
	OnContinuation FrameHandlerFunc

	// OnIntermediate is called with each control frame between the fragments of
	// a message. If it is nil, these frames are skipped and pings are not
	// answered.
	OnIntermediate FrameHandlerFunc

	err error

	// The frame whose payload is being read, if open is true.
	open    bool
	control bool
	masked  bool
	key     [4]byte
	pos     int   // position in key of the next byte
	left    int64 // unread payload bytes

	in    incoming // the open or last message
	check bool     // the message is text to be validated

	head [ws.MaxHeaderSize]byte // scratch
}

// NewReader returns a Reader of src with this state and no limits.
func NewReader(src io.Reader, s ws.State) *Reader {
	return &Reader{Source: src, State: s}
}

// DefaultReader returns a Reader with the settings of [ReadData]: it validates
// text, and a message has at most [DefaultMaxMessage] bytes.
func DefaultReader(src io.Reader, s ws.State) *Reader {
	return &Reader{Source: src, State: s, CheckUTF8: true, MaxMessageSize: DefaultMaxMessage}
}

// Reset resets r to the state that [NewReader] returns, including the fields
// that the caller has set.
func (r *Reader) Reset(src io.Reader, s ws.State) {
	*r = Reader{Source: src, State: s}
}

// NextFrame reads the header of the next frame, after skipping the rest of the
// current frame. It returns the header without the reserved bits that
// Extensions have claimed. Between messages the frame is the first of a new
// message, or a control frame, and Read returns its payload. Inside a
// fragmented message it is a continuation, or a control frame that
// OnIntermediate has already handled. If the error concerns the header,
// NextFrame also returns the header.
func (r *Reader) NextFrame() (h ws.Header, err error) {
	if r.open && r.err == nil {
		r.keep(r.skipFrame())
	}
	if r.err != nil {
		return h, r.err
	}
	if r.Source == nil {
		return h, errNilSource
	}
	h, stays, err := r.readHeader()
	over := err == io.EOF && !r.State.Fragmented()
	if err == nil && !r.SkipHeaderCheck {
		err = ws.CheckHeader(h, r.State)
	}
	switch {
	case err != nil:
	case h.OpCode.IsControl():
		h, err = r.openControl(h)
	default:
		h, err = r.openData(h)
	}
	if !over {
		err = inside(err) // an io.EOF of a callback is not the end of the connection
	}
	if stays {
		err = r.keep(err)
	}
	return h, err
}

// keep records err as the error of r, unless r has one, and returns the
// recorded error.
func (r *Reader) keep(err error) error {
	if r.err == nil {
		r.err = err
	}
	return r.err
}

// begin makes the frame with header h the open frame and calls the extensions.
func (r *Reader) begin(h ws.Header) (ws.Header, error) {
	r.open, r.control = true, h.OpCode.IsControl()
	r.masked, r.key, r.pos, r.left = h.Masked, h.Mask, 0, h.Length
	for _, x := range r.Extensions {
		changed, err := x.UnsetBits(h)
		if err != nil {
			return h, err
		}
		h.Rsv = changed.Rsv
	}
	return h, nil
}

func (r *Reader) openControl(h ws.Header) (ws.Header, error) {
	h, err := r.begin(h)
	if err != nil || !r.State.Fragmented() {
		return h, err
	}
	if r.OnIntermediate != nil {
		if err = r.OnIntermediate(h, (*frameReader)(r)); err != nil {
			return h, err
		}
	}
	return h, r.skipFrame()
}

func (r *Reader) openData(h ws.Header) (ws.Header, error) {
	lim := r.limits()
	if err := r.in.openFrame(&h, !r.State.Fragmented(), &lim); err != nil {
		return h, err
	}
	r.in.rsv |= h.Rsv
	r.check = r.CheckUTF8 && r.in.checksText() && (r.check || !r.State.Fragmented())
	h, err := r.begin(h)
	if err != nil {
		return h, err
	}
	if h.Fin {
		r.State = r.State.Clear(ws.StateFragmented)
	} else {
		r.State = r.State.Set(ws.StateFragmented)
	}
	if h.OpCode == ws.OpContinuation && r.OnContinuation != nil {
		err = r.OnContinuation(h, (*frameReader)(r))
	}
	return h, err
}

// limits returns the limits that the fields of r set.
func (r *Reader) limits() limits {
	lim := limits{
		message:   r.MaxMessageSize,
		frame:     r.MaxFrameSize,
		fragments: int32(min(noLimit(int64(r.MaxFragments), DefaultMaxFragments), math.MaxInt32)),
	}
	if lim.message < 1 {
		lim.message = math.MaxInt64
	}
	if lim.frame < 1 {
		lim.frame = math.MaxInt64
	}
	return lim
}

// Read reads the payload of the message or control frame that
// [Reader.NextFrame] has begun. It does not retain p. It continues over
// fragments, and reads their headers as NextFrame does. At the end it returns
// [io.EOF], possibly together with the last bytes. With [ErrInvalidUTF8] it
// returns the bytes before the invalid character.
func (r *Reader) Read(p []byte) (n int, err error) {
	for r.err == nil {
		switch {
		case r.open && r.left > 0:
			if len(p) == 0 {
				return 0, nil
			}
			n, err = r.readPayload(p)
			if r.left > 0 || err != nil {
				return n, r.keep(err)
			}
			fallthrough
		case r.open:
			if err = r.endFrame(); err != io.EOF {
				r.keep(err)
			}
			if n > 0 || err != nil {
				return n, err
			}
		case r.State.Fragmented():
			if _, err = r.NextFrame(); err != nil {
				return 0, err
			}
		default:
			return 0, ErrNoFrameAdvance
		}
	}
	return 0, r.err
}

// readPayload reads once from the unread payload of the open frame.
func (r *Reader) readPayload(p []byte) (n int, err error) {
	n, err = r.readRaw(p)
	p = p[:n]
	if !r.check || r.control {
		if r.masked {
			ws.Cipher(p, r.key, r.pos)
			r.pos = (r.pos + n) & 3
		}
		return n, err
	}
	before := r.in.text
	valid := false
	if r.masked {
		valid = r.in.text.Unmask(p, r.key, r.pos)
		r.pos = (r.pos + n) & 3
	} else {
		valid = r.in.text.Valid(p)
	}
	if !valid || r.left == 0 && !r.State.Fragmented() && !r.in.text.Done() {
		n, _ = before.Feed(p)
		return n, ErrInvalidUTF8
	}
	return n, err
}

// readRaw reads once from the unread payload of the open frame, without
// unmasking. It returns at least one byte or an error.
func (r *Reader) readRaw(p []byte) (n int, err error) {
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	for range emptyReads {
		n, err = r.Source.Read(p)
		if n > 0 {
			r.left -= int64(n)
			return n, nil // Source returns a persistent error again
		}
		if err != nil {
			return 0, inside(err)
		}
	}
	return 0, io.ErrNoProgress
}

// endFrame closes the open frame after its payload was read. It returns io.EOF
// at the end of a message or control frame.
func (r *Reader) endFrame() error {
	r.open = false
	switch {
	case r.control:
		return io.EOF
	case r.State.Fragmented():
		return nil
	case r.check && !r.in.text.Done():
		return ErrInvalidUTF8
	}
	return io.EOF
}

// skipFrame reads the rest of the open frame and closes it.
func (r *Reader) skipFrame() error {
	if r.left > 0 {
		if !r.control {
			r.check = false
		}
		if _, err := io.Copy(io.Discard, (*rawReader)(r)); err != nil {
			return err
		}
	}
	if err := r.endFrame(); err != io.EOF {
		return err
	}
	return nil
}

// Discard skips the rest of the open message or control frame, including
// fragments still to come. It passes control frames between them to
// OnIntermediate. It does nothing if nothing is open.
func (r *Reader) Discard() error {
	for r.err == nil && (r.open || r.State.Fragmented()) {
		if r.open {
			r.keep(r.skipFrame())
		} else if _, err := r.NextFrame(); err != nil {
			return err
		}
	}
	return r.err
}

// frameReader is a Reader for callbacks: it ends at the end of the open frame.
type frameReader Reader

func (f *frameReader) Read(p []byte) (n int, err error) {
	r := (*Reader)(f)
	switch {
	case r.err != nil:
		return 0, r.err
	case !r.open || r.left == 0:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	n, err = r.readPayload(p)
	return n, r.keep(err)
}

// rawReader reads the payload of the open frame without unmasking it.
type rawReader Reader

func (f *rawReader) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	return (*Reader)(f).readRaw(p)
}
