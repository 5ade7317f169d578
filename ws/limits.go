package ws

import (
	"cmp"
	"fmt"
	"math"
	"net/http"

	"github.com/wskit/wskit/httphead"
)

// HandshakeLimits limits the offers of an opening handshake. Each limit applies
// to every kind of upgrade. In each field 0 means the default and a negative
// value means no limit. A request over a limit is refused with
// [ErrHandshakeTooLarge].
type HandshakeLimits struct {
	MaxBytes      int // names and values of the handshake's fields and Origin; default 16 KiB
	MaxProtocols  int // offered subprotocols; default 32
	MaxExtensions int // offered extensions; default [httphead.DefaultMaxOptions]
	MaxParameters int // of each extension; default [httphead.DefaultMaxParameters]
}

const (
	defaultMaxBytes     = 16 << 10
	defaultMaxProtocols = 32
)

func (l *HandshakeLimits) bytes() int     { return limit(l.MaxBytes, defaultMaxBytes) }
func (l *HandshakeLimits) protocols() int { return limit(l.MaxProtocols, defaultMaxProtocols) }

// extensions returns the limits of Sec-WebSocket-Extensions. Its values must be
// tokens, even if they are quoted (RFC 6455, section 9.1).
func (l *HandshakeLimits) extensions() httphead.OptionLimits {
	return httphead.OptionLimits{MaxOptions: l.MaxExtensions, MaxParameters: l.MaxParameters, TokenValues: true}
}

// limit returns the effective limit for n.
func limit(n, byDefault int) int {
	if n < 0 {
		return math.MaxInt
	}
	return cmp.Or(n, byDefault)
}

// tooLarge returns the refusal of a request over a limit. Only the error, not
// the response, names the limit.
func tooLarge(what, limit string) error {
	return &ConnectionRejectedError{
		status: http.StatusRequestHeaderFieldsTooLarge,
		reason: fmt.Sprintf("ws: %s over HandshakeLimits.%s", what, limit),
		body:   []byte("ws: " + what + " over the limit of this server"),
		causes: []error{ErrHandshakeTooLarge},
	}
}

// extensionsFault returns the refusal of extensions for an error of httphead.
func extensionsFault(err error) error {
	switch err {
	case httphead.ErrTooManyOptions:
		return tooLarge("number of extensions", "MaxExtensions")
	case httphead.ErrTooManyParameters:
		return tooLarge("number of parameters of an extension", "MaxParameters")
	}
	return ErrHandshakeBadExtensions
}
