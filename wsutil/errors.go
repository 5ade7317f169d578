package wsutil

import (
	"errors"
	"strconv"

	"github.com/wskit/wskit/ws"
)

// Errors for limits that the peer has exceeded (RFC 6455, sections 7.4.1 and
// 10.4). The close frame that answers them has code 1009.
var (
	ErrFrameTooLarge    = &ws.ProtocolError{Code: ws.StatusMessageTooBig, Section: "10.4", Reason: "frame is longer than the limit"}
	ErrMessageTooLarge  = &ws.ProtocolError{Code: ws.StatusMessageTooBig, Section: "7.4.1", Reason: "message is longer than the limit"}
	ErrTooManyFragments = &ws.ProtocolError{Code: ws.StatusMessageTooBig, Section: "10.4", Reason: "message has more fragments than the limit"}
)

// ErrInvalidUTF8 reports that a text message is not valid UTF-8 (RFC 6455,
// section 8.1). It is [ws.ErrProtocolInvalidUTF8].
var ErrInvalidUTF8 = ws.ErrProtocolInvalidUTF8

// ClosedError reports that the connection is closed, with the code and reason
// of the peer's close frame. Code is [ws.StatusNoStatusRcvd] if the frame had
// no code, and [ws.StatusAbnormalClosure] if there was no close frame (RFC
// 6455, section 7.1.5). ClosedError values are comparable with ==.
type ClosedError struct {
	Code   ws.StatusCode
	Reason string
}

// Error returns the code and the reason. It quotes the reason because the peer
// chose it.
func (e ClosedError) Error() string {
	s := "wsutil: connection closed: " + strconv.Itoa(int(e.Code))
	if name := e.Code.Name(); name != "" {
		s += " (" + name + ")"
	}
	if e.Reason != "" {
		s += ": " + strconv.Quote(e.Reason)
	}
	return s
}

// Errors of zero values that need a source or destination first.
var (
	errNilSource      = errors.New("wsutil: read: nil source")
	errNilDestination = errors.New("wsutil: write: nil destination")
)

// CloseReply returns the code and reason of the close frame that tells the peer
// about err (RFC 6455, section 7.1.7). It is the only place that decides this.
// It also finds wrapped errors. The result depends on err:
//
//   - nil: [ws.StatusNormalClosure];
//   - a [ClosedError]: its code and reason, to echo the peer's close frame. If
//     that code may not be sent, the code is [ws.StatusNoStatusRcvd], for a
//     frame without a code;
//   - a [ws.ProtocolError], because the peer broke a rule: its Code and Reason;
//   - [ErrSendQueueFull]: [ws.StatusTryAgainLater];
//   - [ErrReadIdle] or [ErrKeepAlive]: [ws.StatusPolicyViolation];
//   - any other error: [ws.StatusInternalServerError] without a reason.
func CloseReply(err error) (code ws.StatusCode, reason string) {
	if err == nil {
		return ws.StatusNormalClosure, ""
	}
	var closed ClosedError
	if errors.As(err, &closed) {
		if closed.Code.MayBeSent() {
			return closed.Code, closed.Reason
		}
		return ws.StatusNoStatusRcvd, ""
	}
	var fault *ws.ProtocolError
	if errors.As(err, &fault) {
		return fault.Code, fault.Reason
	}
	var silence *timeoutError
	if errors.As(err, &silence) && silence != ErrCloseTimeout {
		return ws.StatusPolicyViolation, silence.text
	}
	if errors.Is(err, ErrSendQueueFull) {
		return ws.StatusTryAgainLater, "messages are not read fast enough"
	}
	return ws.StatusInternalServerError, ""
}

// CloseCode returns the code of [CloseReply].
func CloseCode(err error) ws.StatusCode {
	code, _ := CloseReply(err)
	return code
}
