package wsflate

import "github.com/wskit/wskit/ws"

// ErrUnexpectedCompressionBit reports that RSV1 is set on a continuation or
// control frame, or is already set in the argument of [SetBit] or
// [MessageState.SetBits] (RFC 7692, section 6).
var ErrUnexpectedCompressionBit = &ws.ProtocolError{
	Code: ws.StatusProtocolError, Section: "5.2", Reason: "RSV1 set on a continuation or control frame",
}

// rsv1 is the bit "Per-Message Compressed" in [ws.Header].
var rsv1 = ws.Rsv(true, false, false)

// first reports whether a frame of this opcode begins a data message.
func first(op ws.OpCode) bool { return op.IsData() && op != ws.OpContinuation }

// SetBit returns h with RSV1, the bit that marks a compressed message, if h
// begins a data message. It returns other headers unchanged. If RSV1 is already
// set, it returns [ErrUnexpectedCompressionBit].
func SetBit(h ws.Header) (ws.Header, error) {
	s := MessageState{compressed: true}
	return s.SetBits(h)
}

// UnsetBit returns h without RSV1, and reports whether it was set. If it is set
// on a continuation or control frame, UnsetBit returns
// [ErrUnexpectedCompressionBit].
func UnsetBit(h ws.Header) (_ ws.Header, wasSet bool, err error) {
	var s MessageState
	h, err = s.UnsetBits(h)
	return h, s.compressed, err
}

// IsCompressed reports whether h begins a compressed message. The error is that
// of [UnsetBit].
func IsCompressed(h ws.Header) (bool, error) {
	_, is, err := UnsetBit(h)
	return is, err
}

// MessageState records whether a message is compressed. It is an extension of
// wsutil.Reader and wsutil.Writer. A program that answers each message before
// it reads the next may use one MessageState for both. It is not safe for
// concurrent use.
type MessageState struct {
	compressed bool
}

// IsCompressed reports whether the message is compressed, as set by the last
// call to UnsetBits for a first frame or to SetCompressed.
func (s *MessageState) IsCompressed() bool { return s.compressed }

// SetCompressed sets whether messages are sent compressed, starting with the
// next one.
func (s *MessageState) SetCompressed(compressed bool) { s.compressed = compressed }

// SetBits sets RSV1 on the first frame of a compressed message and leaves all
// other frames unchanged (RFC 7692, section 6). If the bit is already set, it
// returns [ErrUnexpectedCompressionBit].
func (s *MessageState) SetBits(h ws.Header) (ws.Header, error) {
	if h.Rsv1() {
		return h, ErrUnexpectedCompressionBit
	}
	if s.compressed && first(h.OpCode) {
		h.Rsv |= rsv1
	}
	return h, nil
}

// UnsetBits clears RSV1 on the first frame of a message and records whether it
// was set. If it is set on a continuation or control frame, UnsetBits returns
// [ErrUnexpectedCompressionBit] (RFC 7692, section 6).
func (s *MessageState) UnsetBits(h ws.Header) (ws.Header, error) {
	switch {
	case first(h.OpCode):
		s.compressed = h.Rsv1()
		h.Rsv &^= rsv1
	case h.Rsv1():
		return h, ErrUnexpectedCompressionBit
	}
	return h, nil
}
