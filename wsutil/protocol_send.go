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

// What the sending half of a [Protocol] refuses. These are mistakes of the
// caller: nothing was appended, and the connection is as usable as before.
var (
	// ErrClosing is returned for a frame that may not be sent any longer: every
	// one after our close frame; all but ours after the peer's, and after a fault
	// of the peer. A message whose first fragment is out may still be ended before
	// the peer's close frame is answered (RFC 6455, sections 5.5.1 and 7.1.7).
	ErrClosing = errors.New("wsutil: the connection is closing, the frame may not be sent")

	// ErrNotSendable is returned, wrapped with the reason, for a frame that the
	// peer would have to refuse: a message inside another one, a reserved bit that
	// no extension has claimed, a reserved opcode.
	ErrNotSendable = errors.New("wsutil: frame may not be sent")

	// ErrNotSendableCode is returned for a code that must not stand in a close
	// frame (RFC 6455, section 7.4).
	ErrNotSendableCode = errors.New("wsutil: close code may not be sent")
)

// undo says what [Protocol.Undo] takes back.
type undo uint8

const (
	undoFrame  undo = 1 << iota // the last call appended the beginning of a message
	undoPacked                  // and the Deflater has taken it in, whole
	undoPart                    // and the Deflater has begun to take it in
)

// Outgoing is a message that is being sent: see [Protocol.AppendFrame]. It is
// made by [NewOutgoing], [PreparedMessage.Outgoing], or in parts with
// [Outgoing.Add]. It must not be copied while it is being sent.
type Outgoing struct {
	payload  []byte // what no frame has taken yet
	inPlace  []byte // ends with payload; headers are written before it, if not nil
	prepared *PreparedMessage
	size     int
	wire     int
	text     utf8s.Validator // of the parts so far
	checked  int             // bytes of the message that text has seen
	op       ws.OpCode
	more     bool // parts are to be added
	begun    bool // a frame was made
	packed   bool // it is compressed
	done     bool // the last frame was made
	apart    bool // see Apart
}

// NewOutgoing returns the message with opcode op and payload p. It does not copy
// p, which must not change before the last frame was appended.
func NewOutgoing(op ws.OpCode, p []byte) Outgoing {
	return Outgoing{op: op, payload: p, size: len(p)}
}

// NewOutgoingInPlace returns the message with opcode op and payload
// buf[ws.MaxHeaderSize:], whose frames are made without a copy: the bytes before
// the payload are room for the header. Each frame is written into buf, in place, as
// [Protocol.AppendFrame] makes it: the header before its payload, over what was
// sent before, and a client's payload masked. A message that is compressed is
// encoded into dst like any other.
//
// buf belongs to the message until the last frame was sent; what it holds then is of
// no use. AppendFrame returns [ErrNotSendable] and [ws.ErrNoHeaderRoom] if buf has
// fewer than [ws.MaxHeaderSize] bytes.
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

// Add makes p the next part of a message that is sent in parts, and last says
// whether it is the last one. The parts before it must have been appended. It does
// not copy p. A message in parts begins as NewOutgoing(op, nil).
func (m *Outgoing) Add(p []byte, last bool) {
	m.payload, m.inPlace, m.more = p, nil, !last
	m.size += len(p)
}

// Apart makes [Protocol.AppendFrame] return as body every payload that it would
// otherwise copy unchanged: for drivers that write a vector at little cost.
func (m *Outgoing) Apart() { m.apart = true }

// Done reports whether all frames of the message were appended.
func (m *Outgoing) Done() bool { return m.done }

// Pending reports whether some of the message, or of its current part, was not
// appended yet.
func (m *Outgoing) Pending() bool { return !m.done && (len(m.payload) > 0 || !m.begun || !m.more) }

// Begun reports whether a frame of the message was appended.
func (m *Outgoing) Begun() bool { return m.begun }

// Size returns the bytes of the message so far.
func (m *Outgoing) Size() int { return m.size }

// WireSize returns the payload bytes of the frames that were made of the message.
func (m *Outgoing) WireSize() int { return m.wire }

// OpCode returns the opcode of the message.
func (m *Outgoing) OpCode() ws.OpCode { return m.op }

// mostCoalesced is the longest payload that AppendFrame copies after its header:
// up to here a copy costs no more than a vectored write.
const mostCoalesced = 32 << 10

// AppendFrame appends the next frame of m to dst. It is the one place that decides
// whether a message is compressed and how it is cut into frames: a message, or
// its current part, is sent whole if it is compressed, and otherwise in frames of
// at most FragmentSize bytes. Call it as long as
// [Outgoing.Pending] reports true. Control frames may be appended between the
// frames of a message (RFC 6455, section 5.4).
//
// body, if not nil, is the rest of the frame: the caller sends it after out and
// before the next frame of m, without a copy, and must not change it. It is a view
// of the caller's payload or of a [PreparedMessage].
//
// AppendFrame does not change the payload, except of a message in place. The
// payload must not lie in the free part of dst. On an error, [ErrClosing] or [ErrNotSendable], it returns dst as it was.
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

// MaySend returns the error that AppendFrame would return for the next frame of m
// because of its opcode, its text or the end of the connection, or nil. It may be
// called at any time: a driver that queues messages calls it first.
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

// Coalesces reports whether a message of n bytes is sent as one frame that
// [Protocol.AppendMessage] makes without a copy to spare: it is short and is not
// compressed. It may be called at any time.
func (c *Protocol) Coalesces(n int) bool {
	return c.set.deflater == nil && n <= mostCoalesced && n <= c.set.fragment
}

// FrameRoom returns for how many bytes AppendFrame needs room to append the next frame
// of m without an allocation.
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
	case !c.state.ClientSide() && (m.apart || min(n, c.set.fragment) > mostCoalesced):
		n = 0
	default:
		n = min(n, c.set.fragment)
	}
	return ws.MaxHeaderSize + n
}

// validText reports whether the message is UTF-8 as far as it is there.
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

var errNoMessage = fmt.Errorf("%w: not a message, or its last frame is out", ErrNotSendable)

var errNoRoom = fmt.Errorf("%w: %w", ErrNotSendable, ws.ErrNoHeaderRoom)

var errText = fmt.Errorf("%w: text is not UTF-8", ErrNotSendable)

var errInside = fmt.Errorf("%w: the message before it lacks its last fragment", ErrNotSendable)

// appendPlain is AppendFrame for a message that is not compressed.
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
	if !h.Masked && (m.apart || len(p) > mostCoalesced) {
		return framing.Append(dst, lead(&h), uint64(len(p))), p, nil
	}
	return appendFrame(dst, lead(&h), h.Masked, p), nil, nil
}

// appendPacked is AppendFrame for a message that is compressed: as a part of it, or
// whole. If a whole one does not become smaller, m.packed stays false, and out is
// dst, perhaps with more room.
func (c *Protocol) appendPacked(dst []byte, m *Outgoing, asPart bool) (out []byte, err error) {
	const room = ws.MaxHeaderSize // for the header, whose size is not known yet
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

// seal writes the header in front of the payload out[start+size:], and masks that
// if the frame is a client's.
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
		c.set.deflater.Enter(m.prepared.payload)
	}
	m.payload = nil
	m.wire = len(form.payload)
	if h.Masked {
		return appendFrame(dst, lead(&h), true, form.payload), nil, nil
	}
	return dst, form.frame, nil
}

// AppendMessage appends a message to dst: op is ws.OpText or ws.OpBinary, p the
// payload. It makes the frames that [Protocol.AppendFrame] makes. It neither
// changes nor retains p, which must not lie in the free part of dst; a client's
// frames are masked with new keys. The caller must ensure that text is UTF-8 (RFC
// 6455, section 5.6).
//
// On an error, which is [ErrClosing] or [ErrNotSendable], it returns dst as it
// was.
func (c *Protocol) AppendMessage(dst []byte, op ws.OpCode, p []byte) ([]byte, error) {
	if c.sendOp == 0 && (op == ws.OpText || op == ws.OpBinary) && c.closing.Load() == 0 &&
		c.set.deflater == nil && len(p) <= c.set.fragment && (op == ws.OpBinary || !c.set.checkText) {
		c.undo = undoFrame // a whole message of an open connection: there is nothing else to ask
		return appendFrame(dst, framing.FinBit|byte(op), c.state.ClientSide(), p), nil
	}
	return c.appendMessage(dst, op, p)
}

// appendMessage is AppendMessage without a fast path, whose frame on the stack stays
// small.
func (c *Protocol) appendMessage(dst []byte, op ws.OpCode, p []byte) ([]byte, error) {
	if op.IsControl() {
		return c.AppendFragment(dst, ws.Header{Fin: true, OpCode: op}, p)
	}
	m := NewOutgoing(op, p)
	return c.appendAll(dst, &m)
}

// AppendPrepared is [Protocol.AppendMessage] for a prepared message. The frame is
// copied: [Protocol.AppendFrame] does without.
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

// AppendFragment appends one frame that the caller has cut, or has changed by an
// extension of its own. OpCode of h is that of the message, for each of its
// fragments; Fin is set for the last one; Rsv has the reserved bits of this frame.
// Everything else in the header is made here, and p is sent as it is: it is
// neither compressed nor checked. Pings and pongs may be appended as well, also between the fragments
// (RFC 6455, section 5.4). Ownership and errors are those of
// [Protocol.AppendMessage], and [ErrControlOverflow].
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

// AppendPing appends a ping to dst. p is at most 125 bytes long, otherwise the
// error is [ErrControlOverflow]. It neither changes nor retains p, which must not
// lie in the free part of dst (RFC 6455, section 5.5.2).
func (c *Protocol) AppendPing(dst, p []byte) ([]byte, error) {
	return c.AppendFragment(dst, ws.Header{Fin: true, OpCode: ws.OpPing}, p)
}

// AppendPong is [Protocol.AppendPing] for a pong, which carries the payload of the
// ping that it answers, or anything if it answers none (RFC 6455, section 5.5.3).
func (c *Protocol) AppendPong(dst, p []byte) ([]byte, error) {
	return c.AppendFragment(dst, ws.Header{Fin: true, OpCode: ws.OpPong}, p)
}

// AppendClose appends a close frame to dst, the last frame of this side (RFC 6455,
// section 5.5.1). The frame carries no code with 0 or [ws.StatusNoStatusRcvd]. A
// reason that is too long, or not UTF-8, is cut or mended: the peer gets the code
// in any case.
//
// On an error, [ErrClosing] or [ErrNotSendableCode], it returns dst as it was.
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

// AppendCloseFor appends the close frame that tells the peer of err, with the code
// and reason of [CloseReply]. If no close frame may be sent any longer it returns
// dst as it is.
func (c *Protocol) AppendCloseFor(dst []byte, err error) []byte {
	code, reason := CloseReply(err)
	dst, _ = c.AppendClose(dst, code, reason)
	return dst
}

// AppendReply appends the answer that RFC 6455 asks for to ev, if any: the pong to
// a ping (section 5.5.2), or the echo of a close frame (section 5.5.1). For all
// other events, and when nothing may be sent any longer, it returns dst as it is.
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

// Undo takes back what the last call of an Append function has appended, if that is
// the beginning of a message or all of it: none of it was sent, nor will be. No
// message is open then, and no later one refers to it in its compression. Undo
// reports whether the connection can go on. If it reports false, the peer has got a
// part of the message, and the connection has to end; control frames are not taken
// back.
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

// Release gives back what compression holds for the sending half. It is for the end
// of the connection; what is sent afterwards refers to nothing before it.
func (c *Protocol) Release() {
	if d := c.set.deflater; d != nil {
		d.Close()
	}
}

var errCloseByHand = fmt.Errorf("%w: AppendClose makes close frames", ErrNotSendable)

// sendHeader takes the header of the next frame to send, with Length set, and
// returns it as it goes on the wire, but for the key. The frame counts as sent
// then.
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

// unsendable returns the caller's mistake that err is, which [ws.CheckHeader] returns
// for a frame of ours.
func unsendable(err error) error {
	if err == ws.ErrProtocolControlPayloadOverflow {
		return ErrControlOverflow
	}
	return fmt.Errorf("%w: %v", ErrNotSendable, err) // as text: the fault is not the peer's
}

// checkWhole returns an error for a frame that ends what it begins, with n bytes of
// payload, if a peer would have to refuse it.
func checkWhole(op ws.OpCode, n int) error {
	if err := ws.CheckHeader(ws.Header{Fin: true, OpCode: op, Length: int64(n)}, 0); err != nil {
		return unsendable(err)
	}
	return nil
}

// peerState is the state in which the peer will look at our next header.
func (c *Protocol) peerState() ws.State {
	s := c.state ^ (ws.StateServerSide | ws.StateClientSide)
	if c.sendOp != 0 {
		s |= ws.StateFragmented
	}
	return s
}

// maySend reports whether the closing handshake leaves room for a frame.
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

// appendFrame appends to dst the frame of p whose first byte is lead, if masked
// with a new key.
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
