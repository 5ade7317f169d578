package ws

// ProtocolError reports a violation of RFC 6455 by the peer. All errors of this
// type are prebuilt values: compare them with errors.Is. Answer them with a
// close frame that carries Code.
type ProtocolError struct {
	Code    StatusCode // code of the close frame to send
	Section string     // of RFC 6455
	Reason  string     // what was wrong
}

// Error returns the reason and the section that was violated.
func (e *ProtocolError) Error() string {
	return "ws: protocol error: " + e.Reason + " (RFC 6455, section " + e.Section + ")"
}

// Errors of [CheckHeader].
var (
	ErrProtocolOpCodeReserved         = &ProtocolError{StatusProtocolError, "5.2", "reserved opcode"}
	ErrProtocolControlPayloadOverflow = &ProtocolError{StatusProtocolError, "5.5", "control frame with more than 125 bytes of payload"}
	ErrProtocolControlNotFinal        = &ProtocolError{StatusProtocolError, "5.5", "fragmented control frame"}
	ErrProtocolNonZeroRsv             = &ProtocolError{StatusProtocolError, "5.2", "reserved bit is set without an extension that defines it"}
	ErrProtocolMaskRequired           = &ProtocolError{StatusProtocolError, "5.1", "frame from a client is not masked"}
	ErrProtocolMaskUnexpected         = &ProtocolError{StatusProtocolError, "5.1", "frame from a server is masked"}
	ErrProtocolContinuationExpected   = &ProtocolError{StatusProtocolError, "5.4", "new message inside a fragmented one"}
	ErrProtocolContinuationUnexpected = &ProtocolError{StatusProtocolError, "5.4", "continuation without a message to continue"}
)

// State is the state of a connection in which a header is checked: the side of
// the caller, the reserved bits that extensions define, and whether a
// fragmented message is open. It is a set of the State constants.
type State uint8

const (
	StateServerSide State = 0x1 // the caller is a server
	StateClientSide State = 0x2 // the caller is a client

	// StateExtended allows every reserved bit on every data frame, for
	// extensions that the caller does not know. For known extensions, set the
	// exact bits instead.
	StateExtended State = 0x4

	StateFragmented State = 0x8 // a fragmented message is open

	// StateRSV1, StateRSV2 and StateRSV3 allow one reserved bit each, only on
	// the first frame of a message. Extensions that work on messages define
	// bits in this way (RFC 7692, section 6, for RSV1).
	StateRSV3 State = 0x10
	StateRSV2 State = 0x20
	StateRSV1 State = 0x40
)

// Is reports whether s has all bits of v.
func (s State) Is(v State) bool { return s&v == v }

// Set returns s with v added.
func (s State) Set(v State) State { return s | v }

// Clear returns s without v.
func (s State) Clear(v State) State { return s &^ v }

// ServerSide reports whether s has [StateServerSide].
func (s State) ServerSide() bool { return s.Is(StateServerSide) }

// ClientSide reports whether s has [StateClientSide].
func (s State) ClientSide() bool { return s.Is(StateClientSide) }

// Extended reports whether s has [StateExtended].
func (s State) Extended() bool { return s.Is(StateExtended) }

// Fragmented reports whether s has [StateFragmented].
func (s State) Fragmented() bool { return s.Is(StateFragmented) }

// rsv returns the reserved bits that a frame of this opcode may carry.
func (s State) rsv(op OpCode) byte {
	switch {
	case op.IsControl():
		return 0
	case s.Extended():
		return 0x7
	case op == OpContinuation:
		return 0
	}
	return byte(s >> 4 & 0x7)
}

// CheckHeader returns an ErrProtocol value if a frame with header h must not
// arrive in state s (RFC 6455, sections 5.1 to 5.5), or nil. If s has neither
// side, masking is not checked. It does not allocate.
func CheckHeader(h Header, s State) error {
	switch {
	case h.OpCode.IsReserved():
		return ErrProtocolOpCodeReserved
	case h.OpCode.IsControl() && h.Length > MaxControlFramePayloadSize:
		return ErrProtocolControlPayloadOverflow
	case h.OpCode.IsControl() && !h.Fin:
		return ErrProtocolControlNotFinal
	case h.Rsv&^s.rsv(h.OpCode) != 0:
		return ErrProtocolNonZeroRsv
	case s.ServerSide() && !h.Masked:
		return ErrProtocolMaskRequired
	case s.ClientSide() && h.Masked:
		return ErrProtocolMaskUnexpected
	case s.Fragmented() && !h.OpCode.IsControl() && h.OpCode != OpContinuation:
		return ErrProtocolContinuationExpected
	case !s.Fragmented() && h.OpCode == OpContinuation:
		return ErrProtocolContinuationUnexpected
	}
	return nil
}
