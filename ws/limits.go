package ws

import (
	"cmp"
	"fmt"
	"math"
	"net/http"

	"github.com/wskit/wskit/httphead"
)

// HandshakeLimits bounds what an opening handshake may ask for. Each limit holds
// in every way to upgrade, whoever parsed the request. In each field zero stands
// for the default and a negative value for no limit. A request over one of them is
// refused with [ErrHandshakeTooLarge].
type HandshakeLimits struct {
	MaxBytes      int // of the fields of the handshake and of Origin, names and values; 16 KiB
	MaxProtocols  int // subprotocols offered; 32
	MaxExtensions int // extensions offered; [httphead.DefaultMaxOptions]
	MaxParameters int // of each extension; [httphead.DefaultMaxParameters]
}

const (
	defaultMaxBytes     = 16 << 10
	defaultMaxProtocols = 32
)

func (l *HandshakeLimits) bytes() int     { return limit(l.MaxBytes, defaultMaxBytes) }
func (l *HandshakeLimits) protocols() int { return limit(l.MaxProtocols, defaultMaxProtocols) }

// extensions are the limits of Sec-WebSocket-Extensions, whose values have to be
// tokens, even if they are quoted (RFC 6455, section 9.1).
func (l *HandshakeLimits) extensions() httphead.OptionLimits {
	return httphead.OptionLimits{MaxOptions: l.MaxExtensions, MaxParameters: l.MaxParameters, TokenValues: true}
}

// limit is what a limit of n stands for.
func limit(n, byDefault int) int {
	if n < 0 {
		return math.MaxInt
	}
	return cmp.Or(n, byDefault)
}

// tooLarge returns the refusal of a request over the limit of that name, which only the
// program is told.
func tooLarge(what, limit string) error {
	return &ConnectionRejectedError{
		status: http.StatusRequestHeaderFieldsTooLarge,
		reason: fmt.Sprintf("ws: %s over HandshakeLimits.%s", what, limit),
		body:   []byte("ws: " + what + " over the limit of this server"),
		causes: []error{ErrHandshakeTooLarge},
	}
}

// extensionsFault returns the refusal of extensions that httphead found at fault.
func extensionsFault(err error) error {
	switch err {
	case httphead.ErrTooManyOptions:
		return tooLarge("number of extensions", "MaxExtensions")
	case httphead.ErrTooManyParameters:
		return tooLarge("number of parameters of an extension", "MaxParameters")
	}
	return ErrHandshakeBadExtensions
}
