package ws

import (
	"encoding/binary"
	"unicode/utf8"
)

// StatusCode is the status code of a close frame (RFC 6455, section 7.4).
type StatusCode uint16

// The status codes that RFC 6455 and the IANA registry define below 3000, and
// the registered ones of 3000–3999.
const (
	StatusNormalClosure           StatusCode = 1000
	StatusGoingAway               StatusCode = 1001
	StatusProtocolError           StatusCode = 1002
	StatusUnsupportedData         StatusCode = 1003
	StatusNoMeaningYet            StatusCode = 1004
	StatusNoStatusRcvd            StatusCode = 1005
	StatusAbnormalClosure         StatusCode = 1006
	StatusInvalidFramePayloadData StatusCode = 1007
	StatusPolicyViolation         StatusCode = 1008
	StatusMessageTooBig           StatusCode = 1009
	StatusMandatoryExt            StatusCode = 1010
	StatusInternalServerError     StatusCode = 1011
	StatusServiceRestart          StatusCode = 1012
	StatusTryAgainLater           StatusCode = 1013
	StatusBadGateway              StatusCode = 1014
	StatusTLSHandshake            StatusCode = 1015
	StatusUnauthorized            StatusCode = 3000
	StatusForbidden               StatusCode = 3003
	StatusTimeout                 StatusCode = 3008
)

// statusCodes is the only table of close codes. It follows the IANA registry
// "WebSocket Close Code Number". A code of 1000–2999 that is not in it may be
// neither sent nor received. A code of 3000–4999 may be sent and received even
// if it is not in the table. retry says that the cause may be temporary: see
// [StatusCode.Retryable].
var statusCodes = map[StatusCode]struct {
	name                 string
	send, receive, retry bool
}{
	StatusNormalClosure:           {"normal closure", true, true, false},
	StatusGoingAway:               {"going away", true, true, true},
	StatusProtocolError:           {"protocol error", true, true, false},
	StatusUnsupportedData:         {"unsupported data", true, true, false},
	StatusNoMeaningYet:            {"reserved", false, false, false},
	StatusNoStatusRcvd:            {"no status received", false, false, false},
	StatusAbnormalClosure:         {"abnormal closure", false, false, true},
	StatusInvalidFramePayloadData: {"invalid frame payload data", true, true, false},
	StatusPolicyViolation:         {"policy violation", true, true, false},
	StatusMessageTooBig:           {"message too big", true, true, false},
	StatusMandatoryExt:            {"mandatory extension", true, true, false},
	StatusInternalServerError:     {"internal server error", true, true, true},
	StatusServiceRestart:          {"service restart", true, true, true},
	StatusTryAgainLater:           {"try again later", true, true, true},
	StatusBadGateway:              {"bad gateway", true, true, true},
	StatusTLSHandshake:            {"TLS handshake", false, false, false},
	StatusUnauthorized:            {"unauthorized", true, true, false},
	StatusForbidden:               {"forbidden", true, true, false},
	StatusTimeout:                 {"timeout", true, true, true},
}

// StatusCodeRange is a range of status codes. It includes both ends.
type StatusCodeRange struct {
	Min, Max StatusCode
}

// The ranges of RFC 6455, section 7.4.2.
var (
	StatusRangeNotInUse    = StatusCodeRange{0, 999}
	StatusRangeProtocol    = StatusCodeRange{1000, 2999}
	StatusRangeApplication = StatusCodeRange{3000, 3999}
	StatusRangePrivate     = StatusCodeRange{4000, 4999}
)

// In reports whether s lies in r.
func (s StatusCode) In(r StatusCodeRange) bool { return r.Min <= s && s <= r.Max }

// Empty reports whether s is 0, which means no code.
func (s StatusCode) Empty() bool { return s == 0 }

// IsNotUsed reports whether s is outside all ranges of RFC 6455, section 7.4.2:
// below 1000 or above 4999.
func (s StatusCode) IsNotUsed() bool { return s < 1000 || s > 4999 }

// IsProtocolSpec reports whether s lies in 1000–2999, the codes of RFC 6455
// and its successors.
func (s StatusCode) IsProtocolSpec() bool { return 1000 <= s && s <= 2999 }

// IsApplicationSpec reports whether s is in 3000–3999, the codes that
// libraries, frameworks and applications register.
func (s StatusCode) IsApplicationSpec() bool { return 3000 <= s && s <= 3999 }

// IsPrivateSpec reports whether s lies in 4000–4999, for private use.
func (s StatusCode) IsPrivateSpec() bool { return 4000 <= s && s <= 4999 }

// IsProtocolDefined reports whether s is a code of 1000–2999 with a registered
// meaning, including codes that must not appear in a frame.
func (s StatusCode) IsProtocolDefined() bool {
	_, ok := statusCodes[s]
	return ok && s.IsProtocolSpec() && s != StatusNoMeaningYet
}

// IsProtocolReserved reports whether s is 1005, 1006 or 1015. An endpoint
// reports these codes to its application, but they must not appear in a frame.
func (s StatusCode) IsProtocolReserved() bool {
	return s.IsProtocolDefined() && !statusCodes[s].send
}

// Name returns the registered name of s in words, or "" if it has none.
func (s StatusCode) Name() string { return statusCodes[s].name }

// MayBeSent reports whether a close frame that we send may carry s.
func (s StatusCode) MayBeSent() bool {
	return s.IsApplicationSpec() || s.IsPrivateSpec() || statusCodes[s].send
}

// MayBeReceived reports whether a close frame of the peer may carry s.
func (s StatusCode) MayBeReceived() bool {
	return s.IsApplicationSpec() || s.IsPrivateSpec() || statusCodes[s].receive
}

// Retryable reports whether a client may connect again after a connection ended
// with s. It is true if the server goes away, restarts, is overloaded or has
// failed, and if the connection was lost. It is false for 1000, for codes that
// blame the client, such as 1002 and 1008, and for codes that the application
// defines.
func (s StatusCode) Retryable() bool { return statusCodes[s].retry }

// Faults of a close frame's body.
var (
	ErrProtocolCloseBodyOneByte           = &ProtocolError{StatusProtocolError, "5.5.1", "close frame with one byte of payload"}
	ErrProtocolStatusCodeNotInUse         = &ProtocolError{StatusProtocolError, "7.4.2", "close code is outside 1000 to 4999"}
	ErrProtocolStatusCodeApplicationLevel = &ProtocolError{StatusProtocolError, "7.4.1", "close code must not appear in a frame"}
	ErrProtocolStatusCodeNoMeaning        = &ProtocolError{StatusProtocolError, "7.4.1", "close code 1004 has no meaning"}
	ErrProtocolStatusCodeUnknown          = &ProtocolError{StatusProtocolError, "7.4.2", "close code is not defined by the protocol"}
	ErrProtocolInvalidUTF8                = &ProtocolError{StatusInvalidFramePayloadData, "8.1", "text is not valid UTF-8"}
)

// CheckCloseFrameData returns an ErrProtocol value if a close frame of the peer
// must not carry this code and reason, or nil.
func CheckCloseFrameData(code StatusCode, reason string) error {
	switch {
	case code.IsNotUsed():
		return ErrProtocolStatusCodeNotInUse
	case code.IsProtocolReserved():
		return ErrProtocolStatusCodeApplicationLevel
	case code == StatusNoMeaningYet:
		return ErrProtocolStatusCodeNoMeaning
	case !code.MayBeReceived():
		return ErrProtocolStatusCodeUnknown
	case !utf8.ValidString(reason):
		return ErrProtocolInvalidUTF8
	}
	return nil
}

// ParseCloseBody decodes and checks the payload of a close frame (RFC 6455,
// sections 5.5.1 and 7.1.5). For an empty payload, code is
// [StatusNoStatusRcvd]. On an error, which is an ErrProtocol value, code is the
// code that was read, if any. It does not retain p.
func ParseCloseBody(p []byte) (code StatusCode, reason string, err error) {
	switch len(p) {
	case 0:
		return StatusNoStatusRcvd, "", nil
	case 1:
		return 0, "", ErrProtocolCloseBodyOneByte
	}
	code, reason = ParseCloseFrameData(p)
	return code, reason, CheckCloseFrameData(code, reason)
}

// AppendCloseBody appends the payload of a close frame to dst. It cuts a reason
// of more than 123 bytes at the end of a character. If code is 0 or
// [StatusNoStatusRcvd], it appends nothing, and the frame carries no code. It
// does not check whether the code may be sent: see [StatusCode.MayBeSent].
func AppendCloseBody(dst []byte, code StatusCode, reason string) []byte {
	if code == 0 || code == StatusNoStatusRcvd {
		return dst
	}
	return append(binary.BigEndian.AppendUint16(dst, uint16(code)), cutReason(reason)...)
}

// cutReason returns the longest prefix of reason that fits into a close frame
// and does not end inside a character.
func cutReason(reason string) string {
	const most = MaxControlFramePayloadSize - 2
	if len(reason) <= most {
		return reason
	}
	n := most
	for n > most-utf8.UTFMax && !utf8.RuneStart(reason[n]) {
		n--
	}
	return reason[:n]
}

// NewCloseFrameBody returns the payload that [AppendCloseBody] appends.
func NewCloseFrameBody(code StatusCode, reason string) []byte {
	return AppendCloseBody(nil, code, reason)
}

// PutCloseFrameBody writes code and reason into p without checks. It panics if
// p is shorter than 2+len(reason) bytes.
func PutCloseFrameBody(p []byte, code StatusCode, reason string) {
	_ = p[1+len(reason)]
	binary.BigEndian.PutUint16(p, uint16(code))
	copy(p[2:], reason)
}

// ParseCloseFrameData splits the payload of a close frame without checks. If p
// has no code, it returns code 0. [ParseCloseBody] also checks.
func ParseCloseFrameData(p []byte) (code StatusCode, reason string) {
	if len(p) < 2 {
		return 0, ""
	}
	return StatusCode(binary.BigEndian.Uint16(p)), string(p[2:])
}
