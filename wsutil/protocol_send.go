package wsutil

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wskit/wskit/internal/framing"
	"github.com/wskit/wskit/ws"
)

// What the sending half of a [Protocol] refuses. These are mistakes of the caller's:
// nothing was appended, and the connection is as usable as before.
var (
	// ErrClosing is returned for a frame that may not be sent any longer: every one
	// after our close frame; all but ours after the peer's, and after a fault of the
	// peer. A message whose first fragment is out may still be ended before the
	// peer's close frame is answered (RFC 6455, sections 5.5.1 and 7.1.7).
	ErrClosing = errors.New("wsutil: the connection is closing, the frame may not be sent")

	// ErrNotSendable is returned, wrapped with the reason, for a frame that the
	// peer would have to refuse: a message inside another one, a reserved bit that
	// no extension has claimed, a reserved opcode.
	ErrNotSendable = errors.New("wsutil: frame may not be sent")

	// ErrNotSendableCode is returned for a code that must not stand in a close
	// frame (RFC 6455, section 7.4).
	ErrNotSendableCode = errors.New("wsutil: close code may not be sent")
)

// AppendMessage appends a message in one frame to dst: op is ws.OpText or ws.OpBinary,
// p the payload. It neither changes nor retains p, which must not lie in the free part
// of dst; a client's frame is masked with a new key. That text is UTF-8 is for
// the caller to see to (RFC 6455, section 5.6).
//
// On an error, which is [ErrClosing] or [ErrNotSendable], it returns dst as it was.
func (c *Protocol) AppendMessage(dst []byte, op ws.OpCode, p []byte) ([]byte, error) {
	if c.sendOp != 0 && op.IsData() {
		return dst, fmt.Errorf("%w: the message before it lacks its last fragment", ErrNotSendable)
	}
	if (op != ws.OpText && op != ws.OpBinary) || c.closing.Load() != 0 {
		return c.AppendFragment(dst, ws.Header{Fin: true, OpCode: op}, p)
	}
	// A whole message of an open connection: there is nothing to ask any more.
	return appendFrame(dst, framing.FinBit|byte(op), c.state.ClientSide(), p), nil
}

// AppendFragment is [Protocol.AppendMessage] for one fragment of a message, or for a
// message with reserved bits. OpCode of h is that of the message, for each of its
// fragments; Fin is set for the last one; Rsv has the bits of this frame. All else
// in the header is made here. Control frames may be appended between the fragments
// (RFC 6455, section 5.4).
func (c *Protocol) AppendFragment(dst []byte, h ws.Header, p []byte) ([]byte, error) {
	if h.OpCode == ws.OpClose {
		return dst, errCloseByHand
	}
	h.Length = int64(len(p))
	h, err := c.sendHeader(h)
	if err != nil {
		return dst, err
	}
	return appendFrame(dst, lead(&h), h.Masked, p), nil
}

// AppendPing appends a ping to dst. p is at most 125 bytes long, or else the error is
// [ErrControlOverflow]. It neither changes nor retains p, which must not lie in the
// free part of dst (RFC 6455, section 5.5.2).
func (c *Protocol) AppendPing(dst, p []byte) ([]byte, error) {
	return c.AppendFragment(dst, ws.Header{Fin: true, OpCode: ws.OpPing}, p)
}

// AppendPong is [Protocol.AppendPing] for a pong, which carries the payload of the
// ping that it answers, or anything if it answers none (RFC 6455, section 5.5.3).
func (c *Protocol) AppendPong(dst, p []byte) ([]byte, error) {
	return c.AppendFragment(dst, ws.Header{Fin: true, OpCode: ws.OpPong}, p)
}

// AppendClose appends a close frame to dst, the last frame of this side (RFC 6455,
// section 5.5.1). [CloseCode] tells the code for an error of Next. The frame carries
// no code with 0 or [ws.StatusNoStatusRcvd]. A reason that is too long, or not
// UTF-8, is cut or mended: the peer gets the code in any case.
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
	c.closing.send(code)
	return appendFrame(dst, lead(&h), h.Masked, body), nil
}

// AppendReply appends what RFC 6455 wants said to ev, if anything: the pong to a ping
// (section 5.5.2) and the echo of a close frame (5.5.1). For all other events, and
// when nothing may be sent any longer, it returns dst as it is.
func (c *Protocol) AppendReply(dst []byte, ev Event) []byte {
	switch ev.OpCode {
	case ws.OpPing:
		dst, _ = c.AppendPong(dst, ev.Payload)
	case ws.OpClose:
		code, _ := ws.ParseCloseFrameData(ev.Payload)
		dst, _ = c.AppendClose(dst, CloseCode(ClosedError{Code: code}), "")
	}
	return dst
}

// SendHeader is for a caller that brings the payload to the wire without copying it,
// or has it in wire form. It takes h as [Protocol.AppendFragment] does, with Length set,
// and returns the header to put on the wire with [ws.AppendHeader]. The frame counts as
// sent then: the payload has to follow, masked with the header's key if that says so.
//
// It returns [ErrClosing], [ErrNotSendable], [ErrControlOverflow], or
// [ws.ErrHeaderLengthUnexpected] for a negative length. Close frames are made by
// AppendClose alone.
func (c *Protocol) SendHeader(h ws.Header) (ws.Header, error) {
	if h.OpCode == ws.OpClose {
		return ws.Header{}, errCloseByHand
	}
	h, err := c.sendHeader(h)
	if h.Masked {
		h.Mask = ws.NewMask()
	}
	return h, err
}

// Unsend takes back the data frame that was appended last, or whose header SendHeader
// returned, if that is the first fragment of a message or a whole one: no byte of it has gone
// out, nor will. No message is open then. A later fragment cannot be taken back, as its message
// would have a hole: Unsend does nothing then.
func (c *Protocol) Unsend() {
	if c.sendFirst {
		c.sendOp, c.sendFirst = 0, false
	}
}

var errCloseByHand = fmt.Errorf("%w: AppendClose makes close frames", ErrNotSendable)

// sendHeader is SendHeader for close frames, too, and leaves the key to be made.
func (c *Protocol) sendHeader(h ws.Header) (ws.Header, error) {
	if h.Length < 0 {
		return ws.Header{}, ws.ErrHeaderLengthUnexpected
	}
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
		c.sendOp, c.sendFirst = 0, false
	default:
		c.sendFirst = c.sendOp == 0
		if c.sendFirst {
			c.sendOp = op
		}
	}
	return h, nil
}

// unsendable returns the caller's mistake that err is, which [ws.CheckHeader] says of a frame
// that is to be sent.
func unsendable(err error) error {
	if err == ws.ErrProtocolControlPayloadOverflow {
		return ErrControlOverflow
	}
	return fmt.Errorf("%w: %v", ErrNotSendable, err) // as text: the fault is not the peer's
}

// checkWhole returns an error for a frame that ends what it begins, with n bytes of payload, if
// a peer would have to refuse it.
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

// appendFrame appends to dst the frame of p whose first byte is lead, if masked with a
// new key.
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
