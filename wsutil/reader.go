package wsutil

import (
	"errors"
	"io"
	"math"

	"github.com/wskit/wskit/ws"
)

// ErrNoFrameAdvance says that [Reader.Read] was called where no message is open: call
// [Reader.NextFrame] first. The Reader is as usable as before.
var ErrNoFrameAdvance = errors.New("wsutil: Read before NextFrame")

// Reader reads messages from a connection, in pieces of any size and without a
// buffer of its own: [Reader.NextFrame] goes to the next message or control frame,
// and [Reader.Read] yields its payload, unmasked and over all its fragments. It takes
// no byte after the frame that it is in.
//
// The fields are set before the first call. State says on which side we read, and
// which reserved bits extensions claim; the Reader keeps [ws.StateFragmented] in it.
//
// The first error stays: every call returns it from then on, until a Reset. Only an
// error of Source in front of a frame does not, such as a timeout: the next call goes on
// from there. Faults of the peer are *[ws.ProtocolError] values, for which [CloseCode] knows the answer;
// the end of the connection is [io.EOF] between messages and [io.ErrUnexpectedEOF]
// within one. A Reader is not for concurrent use.
type Reader struct {
	Source io.Reader
	State  ws.State

	// SkipHeaderCheck accepts headers that [ws.CheckHeader] refuses.
	SkipHeaderCheck bool

	// NonMinimalLengths accepts lengths that are not in their shortest form, as
	// [ws.ParseHeaderNonMinimal] does.
	NonMinimalLengths bool

	// CheckUTF8 refuses text that is not UTF-8 with [ErrInvalidUTF8], as soon as the
	// bad byte arrives (RFC 6455, section 8.1). What is skipped is not looked at,
	// nor is a message with reserved bits set: its payload is not yet text.
	CheckUTF8 bool

	// Extensions are asked about the reserved bits of each header, in this order.
	Extensions []RecvExtension

	// MaxFrameSize is the maximum payload of a data frame, and MaxMessageSize that
	// of a message, in bytes. A frame that exceeds them is refused at its header,
	// with [ErrFrameTooLarge] or [ErrMessageTooLarge]. Values below 1 mean no limit:
	// unlike the limits elsewhere, 0 is not a default here, since these fields keep
	// the meaning that they have in github.com/gobwas/ws.
	MaxFrameSize, MaxMessageSize int64

	// MaxFragments is the maximum number of frames of a message; one more is
	// refused with [ErrTooManyFragments]. 0 means [DefaultMaxFragments], a negative
	// value no limit.
	MaxFragments int

	// OnContinuation is called with each continuation frame. What it reads of the
	// payload, [Reader.Read] does not return.
	OnContinuation FrameHandlerFunc

	// OnIntermediate is called with each control frame between the fragments of a
	// message. Without it they are skipped, and pings stay without an answer.
	OnIntermediate FrameHandlerFunc

	err error

	// The frame whose payload is being read, if open.
	open    bool
	control bool
	masked  bool
	key     [4]byte
	pos     int   // of the next byte, in the key
	left    int64 // bytes of payload that have not been read

	in    incoming // the message that is open, or has been
	check bool     // it is text that is to be validated

	head [ws.MaxHeaderSize]byte // scratch
}

// NewReader returns a Reader of src with this state and no limits.
func NewReader(src io.Reader, s ws.State) *Reader {
	return &Reader{Source: src, State: s}
}

// DefaultReader returns the Reader that functions like [ReadData] read with: text is
// checked, and a message has at most [DefaultMaxMessage] bytes.
func DefaultReader(src io.Reader, s ws.State) *Reader {
	return &Reader{Source: src, State: s, CheckUTF8: true, MaxMessageSize: DefaultMaxMessage}
}

// Reset makes r what [NewReader] returns: all fields are as new, also those that the
// caller has set.
func (r *Reader) Reset(src io.Reader, s ws.State) {
	*r = Reader{Source: src, State: s}
}

// NextFrame reads the header of the next frame and returns it as it came, but for the
// bits that Extensions have taken off. Inside a fragmented message that is a
// continuation, or a control frame, which has then been given to OnIntermediate
// and is over; otherwise a new message, or a control frame, whose payload Read yields.
// What has not been read of the frame before is skipped. On an error that has to do
// with the header it returns the header as well.
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
		err = inside(err) // what a callback calls the end is not that of the message
	}
	if stays {
		err = r.keep(err)
	}
	return h, err
}

// keep makes err the error of r, unless there is one, and returns that.
func (r *Reader) keep(err error) error {
	if r.err == nil {
		r.err = err
	}
	return r.err
}

// begin makes the frame with header h the open one and asks the extensions.
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

// limits returns the limits that the fields of r stand for.
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

// Read reads the payload of the message or control frame that [Reader.NextFrame] has
// gone to; p is the caller's. It returns [io.EOF] at the end, already with the last
// bytes, and goes on over fragments until then: their headers are read as NextFrame
// does. With [ErrInvalidUTF8] come the bytes that stand before the bad character.
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

// readPayload reads once from the payload of the open frame, of which something is
// left.
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

// readRaw reads once from the payload of the open frame, of which something is left,
// as it stands on the wire. It returns an error, or at least one byte.
func (r *Reader) readRaw(p []byte) (n int, err error) {
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	for range emptyReads {
		n, err = r.Source.Read(p)
		if n > 0 {
			r.left -= int64(n)
			return n, nil // an error comes again
		}
		if err != nil {
			return 0, inside(err)
		}
	}
	return 0, io.ErrNoProgress
}

// endFrame closes the open frame, whose payload has been read. It returns io.EOF if
// the message, or the control frame, ends with it.
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

// skipFrame reads what is left of the open frame and closes it.
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

// Discard skips what is left of the message or control frame that is open, with all
// fragments to come; control frames between them go to OnIntermediate. If nothing is
// open it does nothing.
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

// frameReader is the Reader as callbacks see it: its end is that of the open frame.
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

// rawReader yields the payload of the open frame as it stands on the wire.
type rawReader Reader

func (f *rawReader) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	return (*Reader)(f).readRaw(p)
}
