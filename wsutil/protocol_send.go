package wsutil

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wskit/wskit/internal/framing"
	"github.com/wskit/wskit/internal/utf8s"
	"github.com/wskit/wskit/ws"
)

// Errors of the sending half of a [Protocol] for mistakes of the caller.
// Nothing was appended, and the connection stays usable.
var (
	// ErrClosing is returned for a frame that may no longer be sent. After our
	// close frame, that is any frame. After the peer's close frame or a fault
	// of the peer, it is any frame except our close frame. A fragmented message
	// that was begun may still be completed before the peer's close frame is
	// answered (RFC 6455, sections 5.5.1 and 7.1.7).
	ErrClosing = errors.New("wsutil: the connection is closing, the frame may not be sent")

	// ErrNotSendable is returned, wrapped with the reason, for a frame that the
	// peer would have to refuse: a message inside another one, a reserved bit
	// that no extension has claimed, or a reserved opcode.
	ErrNotSendable = errors.New("wsutil: frame may not be sent")

	// ErrNotSendableCode is returned for a code that may not be sent in a close
	// frame (RFC 6455, section 7.4).
	ErrNotSendableCode = errors.New("wsutil: close code may not be sent")
)

// undo says what [Protocol.Undo] can revert.
type undo uint8

const (
	undoFrame  undo = 1 << iota // the last call appended the beginning of a message
	undoPacked                  // and the Deflater has compressed all of it
	undoPart                    // and the Deflater has compressed a part of it
)

// Outgoing is a message to be sent by [Protocol.AppendFrame]. [NewOutgoing] and
// [PreparedMessage.Outgoing] return one; [Outgoing.Add] adds parts to it. It
// must not be copied while it is being sent.
type Outgoing struct {
	payload  []byte // the payload that is not in a frame yet
	inPlace  []byte // ends with payload; headers are written before it, if not nil
	prepared *PreparedMessage
	size     int
	wire     int
	text     utf8s.Validator // checks the parts so far
	checked  int             // bytes that text has checked
	op       ws.OpCode
	more     bool // more parts will be added
	begun    bool // a frame was made
	packed   bool // it is compressed
	done     bool // the last frame was made
	apart    bool // see Apart
}

// NewOutgoing returns a message with opcode op and payload p. It does not copy
// p, which must not change until the last frame was sent.
func NewOutgoing(op ws.OpCode, p []byte) Outgoing {
	return Outgoing{op: op, payload: p, size: len(p)}
}

// NewOutgoingInPlace returns a message with opcode op and payload
// buf[ws.MaxHeaderSize:]. Its frames are made in buf, without a copy.
// [Protocol.AppendFrame] writes each header directly before the payload of its
// frame: the first one into the room before the payload, and later ones over
// bytes that were already sent. It masks a client's payload in place. A
// compressed message is encoded into dst like any other.
//
// The message owns buf until the last frame was sent; its content is then
// undefined. If buf has fewer than [ws.MaxHeaderSize] bytes, AppendFrame
// returns an error that wraps [ErrNotSendable] and [ws.ErrNoHeaderRoom].
func NewOutgoingInPlace(op ws.OpCode, buf []byte) Outgoing {
	m := Outgoing{op: op, inPlace: buf}
	if len(buf) < ws.MaxHeaderSize {
		m.inPlace = []byte{}
		return m
	}
	m.payload = buf[ws.MaxHeaderSize:]
	m.size = len(m.payload)
	return m
}

// Add makes p the next part of a message that is sent in parts; last reports
// whether it is the last part. Earlier parts must have been appended. Add does
// not copy p. A message in parts begins as NewOutgoing(op, nil).
func (m *Outgoing) Add(p []byte, last bool) {
	m.payload, m.inPlace, m.more = p, nil, !last
	m.size += len(p)
}

// Apart makes [Protocol.AppendFrame] return payload as body where it would
// otherwise copy it unchanged. It is for drivers that can write several slices
// at little cost.
func (m *Outgoing) Apart() { m.apart = true }

// Done reports whether all frames of the message were appended.
func (m *Outgoing) Done() bool { return m.done }

// Pending reports whether a part of the message, or of its current part, was
// not appended yet.
func (m *Outgoing) Pending() bool { return !m.done && (len(m.payload) > 0 || !m.begun || !m.more) }

// Begun reports whether a frame of the message was appended.
func (m *Outgoing) Begun() bool { return m.begun }

// Size returns the size of the message so far, in bytes.
func (m *Outgoing) Size() int { return m.size }

// WireSize returns the total payload size of the frames that were appended.
func (m *Outgoing) WireSize() int { return m.wire }

// OpCode returns the opcode of the message.
func (m *Outgoing) OpCode() ws.OpCode { return m.op }

// maxCoalesced is the longest payload that AppendFrame copies after its header.
// Up to this size a copy costs no more than a vectored write.
const maxCoalesced = 32 << 10

// AppendFrame appends the next frame of m to dst. It is the only place that
// decides whether a message is compressed and how it is cut into frames. A
// compressed message, or its current part, is one frame. Other messages are cut
// into frames of at most FragmentSize bytes. The caller calls AppendFrame while
// [Outgoing.Pending] is true. Control frames may be appended between the frames
// of a message (RFC 6455, section 5.4).
//
// If body is not nil, it is the rest of the frame, which the caller sends after
// out and before the next frame of m. body is a view of the caller's payload or
// of a [PreparedMessage], which saves a copy. The caller must not modify it.
//
// AppendFrame does not modify the payload, unless the message is in place. The
// payload must not overlap the free capacity of dst. On error, [ErrClosing] or
// [ErrNotSendable], it returns dst unchanged.
func (c *Protocol) AppendFrame(dst []byte, m *Outgoing) (out, body []byte, err error) {
	first := !m.begun
	if first && c.sendOp != 0 {
		return dst, nil, errInside
	}
	if err := c.MaySend(m); err != nil {
		return dst, nil, err
	}
	c.undo = 0
	switch deflater := c.set.deflater; {
	case m.prepared != nil:
		out, body, err = c.appendPrepared(dst, m)
	case m.packed || first && m.more && deflater != nil:
		out, err = c.appendPacked(dst, m, true)
	case first && deflater != nil:
		out, err = c.appendPacked(dst, m, false)
		if err == nil && !m.packed {
			out, body, err = c.appendPlain(out, m)
		}
	default:
		out, body, err = c.appendPlain(dst, m)
	}
	if err != nil {
		return dst, nil, err
	}
	if first {
		c.undo |= undoFrame
	}
	m.begun = true
	m.done = c.sendOp == 0
	return out, body, nil
}

// MaySend returns nil, or the error that AppendFrame would return for the next
// frame of m because of its opcode, its text or the state of the connection. It
// is safe for concurrent use. A driver that queues messages calls it before
// queueing.
func (c *Protocol) MaySend(m *Outgoing) error {
	if m.op != ws.OpText && m.op != ws.OpBinary || m.done {
		return errNoMessage
	}
	if m.inPlace != nil && len(m.inPlace) < ws.MaxHeaderSize {
		return errNoRoom
	}
	if err := c.maySend(m.op); err != nil {
		return err
	}
	if c.set.checkText && m.op == ws.OpText && !m.validText() {
		return errText
	}
	return nil
}

// Coalesces reports whether [Protocol.AppendMessage] is the best way to send a
// message of n bytes: the message is short and uncompressed, so it is one frame
// and is cheap to copy. It is safe for concurrent use.
func (c *Protocol) Coalesces(n int) bool {
	return c.set.deflater == nil && n <= maxCoalesced && n <= c.set.fragment
}

// FrameRoom returns how many bytes of free capacity AppendFrame needs to append
// the next frame of m without allocating.
func (c *Protocol) FrameRoom(m *Outgoing) int {
	n := len(m.payload)
	switch {
	case m.prepared != nil && !c.state.ClientSide():
		return 0
	case m.prepared != nil:
		n = m.size
	case m.packed || c.set.deflater != nil && !m.begun:
		n += n/8 + 16
	case m.inPlace != nil:
		return 0
	case !c.state.ClientSide() && (m.apart || min(n, c.set.fragment) > maxCoalesced):
		n = 0
	default:
		n = min(n, c.set.fragment)
	}
	return ws.MaxHeaderSize + n
}

// validText reports whether the message so far is valid UTF-8.
func (m *Outgoing) validText() bool {
	if m.prepared != nil {
		return m.prepared.valid
	}
	if fresh := m.size - m.checked; fresh > 0 {
		m.text.Valid(m.payload[len(m.payload)-fresh:])
		m.checked = m.size
	}
	return m.text.Valid(nil) && (m.more || m.text.Done())
}

var errNoMessage = fmt.Errorf("%w: not a message, or its last frame was already appended", ErrNotSendable)

var errNoRoom = fmt.Errorf("%w: %w", ErrNotSendable, ws.ErrNoHeaderRoom)

var errText = fmt.Errorf("%w: text is not valid UTF-8", ErrNotSendable)

var errInside = fmt.Errorf("%w: the previous message is not complete", ErrNotSendable)

// appendPlain is AppendFrame for an uncompressed message.
func (c *Protocol) appendPlain(dst []byte, m *Outgoing) (out, body []byte, err error) {
	p := m.payload[:min(len(m.payload), max(c.set.fragment, 1))]
	h, err := c.sendHeader(ws.Header{
		Fin:    !m.more && len(p) == len(m.payload),
		OpCode: m.op,
		Length: int64(len(p)),
	})
	if err != nil {
		return dst, nil, err
	}
	m.payload = m.payload[len(p):]
	m.wire += len(p)
	if m.inPlace != nil {
		end := len(m.inPlace) - len(m.payload)
		size := framing.Size(uint64(len(p)), h.Masked)
		frame := m.inPlace[end-len(p)-size : end]
		return dst, c.seal(frame, 0, size, &h), nil
	}
	if !h.Masked && (m.apart || len(p) > maxCoalesced) {
		return framing.Append(dst, lead(&h), uint64(len(p))), p, nil
	}
	return appendFrame(dst, lead(&h), h.Masked, p), nil, nil
}

// appendPacked is AppendFrame for a compressed message, whole or in parts. If
// compressing a whole message does not make it smaller, m.packed stays false,
// and out is dst, perhaps with more capacity.
func (c *Protocol) appendPacked(dst []byte, m *Outgoing, asPart bool) (out []byte, err error) {
	const room = ws.MaxHeaderSize // for the header, whose size depends on the compressed size
	start, p := len(dst), m.payload
	out = slices.Grow(dst, room+len(p)+len(p)/8+16)
	packed := true
	if asPart {
		out = c.set.deflater.AppendPart(out[:start+room], p, !m.more)
	} else {
		out, packed = c.set.deflater.AppendMessage(out[:start+room], p)
	}
	if !packed {
		return out[:start], nil
	}
	n := len(out) - start - room
	h := ws.Header{Fin: !m.more, OpCode: m.op, Length: int64(n)}
	if !m.begun {
		h.Rsv = rsv1
	}
	if c.undo |= undoPacked; asPart {
		c.undo |= undoPart
	}
	if h, err = c.sendHeader(h); err != nil {
		c.set.deflater.Close()
		return dst, err
	}
	m.payload, m.packed = nil, true
	m.wire += n
	size := framing.Size(uint64(n), h.Masked)
	copy(out[start+size:], out[start+room:])
	return c.seal(out[:start+size+n], start, size, &h), nil
}

// seal writes the header before the payload out[start+size:], and masks the
// payload of a client.
func (c *Protocol) seal(out []byte, start, size int, h *ws.Header) []byte {
	n := uint64(len(out) - start - size)
	if !h.Masked {
		framing.Append(out[:start], lead(h), n)
		return out
	}
	key := ws.NewMask()
	framing.AppendMasked(out[:start], lead(h), n, binary.LittleEndian.Uint32(key[:]))
	ws.Cipher(out[start+size:], key, 0)
	return out
}

// appendPrepared is AppendFrame for a prepared message.
func (c *Protocol) appendPrepared(dst []byte, m *Outgoing) (out, body []byte, err error) {
	form := m.prepared.plain()
	if c.set.deflater != nil {
		form = m.prepared.packed(c.set.deflater)
	}
	h, err := c.sendHeader(ws.Header{Fin: true, Rsv: form.rsv, OpCode: m.op, Length: int64(len(form.payload))})
	if err != nil {
		return dst, nil, err
	}
	if form.rsv != 0 {
		c.undo |= undoPacked
		c.set.deflater.SentPrepared(m.prepared.payload)
	}
	m.payload = nil
	m.wire = len(form.payload)
	if h.Masked {
		return appendFrame(dst, lead(&h), true, form.payload), nil, nil
	}
	return dst, form.frame, nil
}

// AppendMessage appends a message with payload p to dst. op is ws.OpText or
// ws.OpBinary. The frames are those of [Protocol.AppendFrame]. AppendMessage
// neither modifies nor retains p, which must not overlap the free capacity of
// dst. A client's frames are masked with new keys. The caller must ensure that
// text is valid UTF-8 (RFC 6455, section 5.6).
//
// On error, [ErrClosing] or [ErrNotSendable], it returns dst unchanged.
func (c *Protocol) AppendMessage(dst []byte, op ws.OpCode, p []byte) ([]byte, error) {
	if c.sendOp == 0 && (op == ws.OpText || op == ws.OpBinary) && c.closing.Load() == 0 &&
		c.set.deflater == nil && len(p) <= c.set.fragment && (op == ws.OpBinary || !c.set.checkText) {
		c.undo = undoFrame // a whole message on an open connection needs no other checks
		return appendFrame(dst, framing.FinBit|byte(op), c.state.ClientSide(), p), nil
	}
	return c.appendMessage(dst, op, p)
}

// appendMessage is AppendMessage without the fast path, which keeps the stack
// frame of AppendMessage small.
func (c *Protocol) appendMessage(dst []byte, op ws.OpCode, p []byte) ([]byte, error) {
	if op.IsControl() {
		return c.AppendFragment(dst, ws.Header{Fin: true, OpCode: op}, p)
	}
	m := NewOutgoing(op, p)
	return c.appendAll(dst, &m)
}

// AppendPrepared is [Protocol.AppendMessage] for a prepared message. It copies
// the frame; [Protocol.AppendFrame] does not.
func (c *Protocol) AppendPrepared(dst []byte, p *PreparedMessage) ([]byte, error) {
	if p.op.IsControl() {
		return c.AppendFragment(dst, ws.Header{Fin: true, OpCode: p.op}, p.payload)
	}
	m := p.Outgoing()
	return c.appendAll(dst, &m)
}

// appendAll appends all frames of m.
func (c *Protocol) appendAll(dst []byte, m *Outgoing) ([]byte, error) {
	out := dst
	var taken undo
	for !m.done {
		next, body, err := c.AppendFrame(out, m)
		if err != nil {
			if c.undo = taken; m.begun {
				c.Undo()
			}
			return dst, err
		}
		out = append(next, body...)
		taken |= c.undo
	}
	c.undo = taken
	return out, nil
}

// AppendFragment appends one frame of a message that the caller fragments, or
// that an extension of the caller has changed. h.OpCode is the opcode of the
// message in all of its fragments. h.Fin is set in the last fragment. h.Rsv has
// the reserved bits of this frame. Other fields of h are ignored. p is neither
// compressed nor checked. Pings and pongs may also be appended, even between
// fragments (RFC 6455, section 5.4). Ownership and errors are those of
// [Protocol.AppendMessage]. A control frame that is too long is
// [ErrControlOverflow].
func (c *Protocol) AppendFragment(dst []byte, h ws.Header, p []byte) ([]byte, error) {
	if h.OpCode == ws.OpClose {
		return dst, errCloseByHand
	}
	first := c.sendOp == 0 && h.OpCode.IsData()
	h.Length = int64(len(p))
	h, err := c.sendHeader(h)
	if err != nil {
		return dst, err
	}
	c.undo = 0
	if first {
		c.undo = undoFrame
	}
	return appendFrame(dst, lead(&h), h.Masked, p), nil
}

// AppendPing appends a ping to dst (RFC 6455, section 5.5.2). If p has more
// than 125 bytes, it returns [ErrControlOverflow]. It neither modifies nor
// retains p, which must not overlap the free capacity of dst.
func (c *Protocol) AppendPing(dst, p []byte) ([]byte, error) {
	return c.AppendFragment(dst, ws.Header{Fin: true, OpCode: ws.OpPing}, p)
}

// AppendPong is [Protocol.AppendPing] for a pong. A pong carries the payload of
// the ping that it answers; an unsolicited pong may carry any payload (RFC
// 6455, section 5.5.3).
func (c *Protocol) AppendPong(dst, p []byte) ([]byte, error) {
	return c.AppendFragment(dst, ws.Header{Fin: true, OpCode: ws.OpPong}, p)
}

// AppendClose appends a close frame to dst. It is the last frame of this side
// (RFC 6455, section 5.5.1). If code is 0 or [ws.StatusNoStatusRcvd], the frame
// has no code. A reason that is too long is cut, and invalid UTF-8 in it is
// replaced, so that the peer always gets the code.
//
// On error, [ErrClosing] or [ErrNotSendableCode], it returns dst unchanged.
func (c *Protocol) AppendClose(dst []byte, code ws.StatusCode, reason string) ([]byte, error) {
	if code == 0 {
		code = ws.StatusNoStatusRcvd
	}
	if code != ws.StatusNoStatusRcvd && !code.MayBeSent() {
		return dst, ErrNotSendableCode
	}
	var room [ws.MaxControlFramePayloadSize]byte
	body := ws.AppendCloseBody(room[:0], code, strings.ToValidUTF8(reason, "\uFFFD"))
	h, err := c.sendHeader(ws.Header{Fin: true, OpCode: ws.OpClose, Length: int64(len(body))})
	if err != nil {
		return dst, err
	}
	c.undo = 0
	c.closing.send(code)
	return appendFrame(dst, lead(&h), h.Masked, body), nil
}

// AppendCloseFor appends the close frame that tells the peer about err, with
// the code and reason of [CloseReply]. If a close frame may no longer be sent,
// it returns dst unchanged.
func (c *Protocol) AppendCloseFor(dst []byte, err error) []byte {
	code, reason := CloseReply(err)
	dst, _ = c.AppendClose(dst, code, reason)
	return dst
}

// AppendReply appends the answer to ev that RFC 6455 requires: the pong for a
// ping (section 5.5.2), or the echo of a close frame (section 5.5.1). For other
// events, and if nothing may be sent, it returns dst unchanged.
func (c *Protocol) AppendReply(dst []byte, ev Event) []byte {
	switch ev.OpCode {
	case ws.OpPing:
		dst, _ = c.AppendPong(dst, ev.Payload)
	case ws.OpClose:
		code, reason, err := ws.ParseCloseBody(ev.Payload)
		if err == nil {
			err = ClosedError{code, reason}
		}
		dst = c.AppendCloseFor(dst, err)
	}
	return dst
}

// Undo reverts the last call of an Append function, if that call appended the
// beginning of a message or a whole message. The caller must not have sent any
// of the appended bytes, and must not send them later. After Undo no message is
// open, and compression does not refer to the message. Undo returns false if
// the call appended a later part of a message, in which case the connection
// must end. It also returns false for control frames, which cannot be reverted.
func (c *Protocol) Undo() bool {
	if c.undo&undoFrame == 0 {
		return false
	}
	switch {
	case c.undo&undoPart != 0:
		c.set.deflater.Close()
	case c.undo&undoPacked != 0:
		c.set.deflater.Undo()
	}
	c.sendOp, c.undo = 0, 0
	return true
}

// Release releases the compression memory of the sending half, at the end of
// the connection. Messages sent later do not refer to earlier ones.
func (c *Protocol) Release() {
	if d := c.set.deflater; d != nil {
		d.Close()
	}
}

var errCloseByHand = fmt.Errorf("%w: use AppendClose for close frames", ErrNotSendable)

// sendHeader takes the header of the next frame to send, with Length set, and
// returns the header to put on the wire, without the mask. It records the frame
// as sent.
func (c *Protocol) sendHeader(h ws.Header) (ws.Header, error) {
	if err := c.maySend(h.OpCode); err != nil {
		return ws.Header{}, err
	}
	op := h.OpCode
	if op.IsData() && op == c.sendOp {
		h.OpCode = ws.OpContinuation
	}
	h.Masked, h.Mask = c.state.ClientSide(), [4]byte{}
	if err := ws.CheckHeader(h, c.peerState()); err != nil {
		return ws.Header{}, unsendable(err)
	}
	switch {
	case op.IsControl():
	case h.Fin:
		c.sendOp = 0
	case c.sendOp == 0:
		c.sendOp = op
	}
	return h, nil
}

// unsendable converts the error of [ws.CheckHeader] for one of our frames to an
// error of the caller.
func unsendable(err error) error {
	if err == ws.ErrProtocolControlPayloadOverflow {
		return ErrControlOverflow
	}
	return fmt.Errorf("%w: %v", ErrNotSendable, err) // not %w, because the fault is not the peer's
}

// checkWhole returns an error if a peer would have to refuse an unfragmented
// frame with n bytes of payload.
func checkWhole(op ws.OpCode, n int) error {
	if err := ws.CheckHeader(ws.Header{Fin: true, OpCode: op, Length: int64(n)}, 0); err != nil {
		return unsendable(err)
	}
	return nil
}

// peerState is the state in which the peer checks our next header.
func (c *Protocol) peerState() ws.State {
	s := c.state ^ (ws.StateServerSide | ws.StateClientSide)
	if c.sendOp != 0 {
		s |= ws.StateFragmented
	}
	return s
}

// maySend returns ErrClosing if the closing handshake does not allow the frame.
func (c *Protocol) maySend(op ws.OpCode) error {
	s := c.closing.Load()
	if s == 0 {
		return nil
	}
	begun := op.IsData() && c.sendOp != 0
	if sentIn(s) == 0 && (op == ws.OpClose || begun && s&peerFailed == 0) {
		return nil
	}
	return ErrClosing
}

// lead returns the first byte of the wire form of h.
func lead(h *ws.Header) byte { return framing.Lead(h.Fin, h.Rsv, byte(h.OpCode)) }

// appendFrame appends the frame of p to dst. lead is its first byte. It masks
// with a new key if masked is true.
func appendFrame(dst []byte, lead byte, masked bool, p []byte) []byte {
	n := uint64(len(p))
	dst = slices.Grow(dst, framing.Size(n, masked)+len(p))
	if !masked {
		return append(framing.Append(dst, lead, n), p...)
	}
	key := ws.NewMask()
	dst = framing.AppendMasked(dst, lead, n, binary.LittleEndian.Uint32(key[:]))
	end := len(dst) + len(p)
	ws.CipherCopy(dst[len(dst):end], p, key, 0)
	return dst[:end]
}
