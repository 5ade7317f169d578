package wsflate

import "github.com/wskit/wskit/ws"

// ErrUnexpectedCompressionBit says that a continuation or a control frame has RSV1 set, or that a
// bit that was to be set is set already (RFC 7692, section 6).
var ErrUnexpectedCompressionBit = &ws.ProtocolError{
	Code: ws.StatusProtocolError, Section: "5.2", Reason: "RSV1 set on a continuation or control frame",
}

// rsv1 is the bit "Per-Message Compressed" in [ws.Header].
var rsv1 = ws.Rsv(true, false, false)

// first reports whether a frame of this opcode begins a data message.
func first(op ws.OpCode) bool { return op.IsData() && op != ws.OpContinuation }

// SetBit returns h with the bit that marks a compressed message, if h begins a data message, and
// as it is otherwise. If the bit is set already it returns [ErrUnexpectedCompressionBit].
func SetBit(h ws.Header) (ws.Header, error) {
	s := MessageState{compressed: true}
	return s.SetBits(h)
}

// UnsetBit returns h without the bit that marks a compressed message, and whether it was set.
// On a continuation or control frame a set bit is [ErrUnexpectedCompressionBit].
func UnsetBit(h ws.Header) (_ ws.Header, wasSet bool, err error) {
	var s MessageState
	h, err = s.UnsetBits(h)
	return h, s.compressed, err
}

// IsCompressed reports whether h begins a compressed message. The error is that of [UnsetBit].
func IsCompressed(h ws.Header) (bool, error) {
	_, is, err := UnsetBit(h)
	return is, err
}

// MessageState marks a message as compressed and knows of one that it is: it is an
// extension of wsutil's Reader and Writer, both at once where a program answers
// message by message. It is not for concurrent use.
type MessageState struct {
	compressed bool
}

// IsCompressed reports whether the message is compressed: the one whose first frame
// UnsetBits has seen, or as SetCompressed has said.
func (s *MessageState) IsCompressed() bool { return s.compressed }

// SetCompressed says whether the messages to be sent are compressed, from the next one on.
func (s *MessageState) SetCompressed(compressed bool) { s.compressed = compressed }

// SetBits sets RSV1 on the first frame of a compressed message and leaves all other frames as
// they are (RFC 7692, section 6). A header that has the bit already is
// [ErrUnexpectedCompressionBit].
func (s *MessageState) SetBits(h ws.Header) (ws.Header, error) {
	if h.Rsv1() {
		return h, ErrUnexpectedCompressionBit
	}
	if s.compressed && first(h.OpCode) {
		h.Rsv |= rsv1
	}
	return h, nil
}

// UnsetBits takes RSV1 off the first frame of a message and notes whether it was set. On
// continuations and control frames it must not be set (RFC 7692, section 6):
// [ErrUnexpectedCompressionBit].
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
