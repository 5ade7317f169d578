package websocket

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// MessageType is the type of a data message (RFC 6455, section 5.6).
type MessageType int

// The message types.
const (
	MessageText   MessageType = MessageType(ws.OpText)   // UTF-8
	MessageBinary MessageType = MessageType(ws.OpBinary) // any bytes
)

// String returns the name of the constant.
func (t MessageType) String() string {
	switch t {
	case MessageText:
		return "MessageText"
	case MessageBinary:
		return "MessageBinary"
	}
	return "MessageType(" + strconv.Itoa(int(t)) + ")"
}

// Message is a whole message.
type Message struct {
	Type MessageType
	Data []byte
}

// StatusCode is the status code of a close frame (RFC 6455, section 7.4).
type StatusCode int

// The status codes of RFC 6455 and the IANA registry. Applications may use 3000
// to 4999 for their own codes.
const (
	StatusNormalClosure           StatusCode = 1000
	StatusGoingAway               StatusCode = 1001
	StatusProtocolError           StatusCode = 1002
	StatusUnsupportedData         StatusCode = 1003
	StatusNoStatusRcvd            StatusCode = 1005 // never on the wire: a close frame without a code
	StatusAbnormalClosure         StatusCode = 1006 // never on the wire: for logs, if there was no close frame
	StatusInvalidFramePayloadData StatusCode = 1007
	StatusPolicyViolation         StatusCode = 1008
	StatusMessageTooBig           StatusCode = 1009
	StatusMandatoryExtension      StatusCode = 1010
	StatusInternalError           StatusCode = 1011
	StatusServiceRestart          StatusCode = 1012
	StatusTryAgainLater           StatusCode = 1013
	StatusBadGateway              StatusCode = 1014
	StatusTLSHandshake            StatusCode = 1015 // never on the wire
)

// constantWords replaces the words in names of package ws that the constants
// here spell differently.
var constantWords = strings.NewReplacer("received", "rcvd", "server error", "error")

// String returns the name of the constant, or "StatusCode(n)" if n has no name.
func (c StatusCode) String() string {
	code := ws.StatusCode(c)
	if StatusCode(code) != c || !code.IsProtocolDefined() {
		return "StatusCode(" + strconv.Itoa(int(c)) + ")"
	}
	name := "Status"
	for word := range strings.FieldsSeq(constantWords.Replace(code.Name())) {
		name += strings.ToUpper(word[:1]) + word[1:]
	}
	return name
}

// wire returns c as a code of package ws. ok is false if it may not be sent. 0
// and StatusNoStatusRcvd mean a close frame without a code.
func (c StatusCode) wire() (ws.StatusCode, bool) {
	if c == 0 || c == StatusNoStatusRcvd {
		return ws.StatusNoStatusRcvd, true
	}
	if c < 0 || c > 4999 {
		return 0, false
	}
	code := ws.StatusCode(c)
	return code, code.MayBeSent()
}

// CloseError reports that the peer has closed the connection, with the code and
// reason of its close frame. Code is [StatusNoStatusRcvd] if the frame had
// none. The loss of a connection without a close frame is another error.
// CloseError values are comparable with ==. [CloseStatus] and errors.As find a
// CloseError in wrapped errors.
type CloseError struct {
	Code   StatusCode
	Reason string
}

// Error returns the code and the reason. It quotes the reason because the peer
// chose it.
func (e CloseError) Error() string {
	return fmt.Sprintf("status = %v and reason = %q", e.Code, e.Reason)
}

// CloseStatus returns the code of the [CloseError] that err wraps, or -1 if err
// wraps none.
func CloseStatus(err error) StatusCode {
	if e, ok := errors.AsType[CloseError](err); ok {
		return e.Code
	}
	if e, ok := errors.AsType[wsutil.ClosedError](err); ok {
		return StatusCode(e.Code)
	}
	return -1
}
