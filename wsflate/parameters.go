package wsflate

import (
	"fmt"
	"strconv"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/internal/deflate"
	"github.com/wskit/wskit/ws"
)

// ExtensionName is the name of permessage-deflate in negotiation (RFC 7692,
// section 7).
const ExtensionName = "permessage-deflate"

// MaxLZ77WindowSize is the size of the largest window in bytes (RFC 7692,
// section 7.1.2).
const MaxLZ77WindowSize = 1 << deflate.MaxBits

// The parameters (RFC 7692, section 7.1).
const (
	serverNoContextTakeover = "server_no_context_takeover"
	clientNoContextTakeover = "client_no_context_takeover"
	serverMaxWindowBits     = "server_max_window_bits"
	clientMaxWindowBits     = "client_max_window_bits"
)

// Parameters are the four parameters of permessage-deflate (RFC 7692, section
// 7.1). A value is an offer, an agreement, or the policy of one side. Fields
// that begin with Server apply to messages that the server compresses and the
// client decompresses. Fields that begin with Client apply to the other
// direction. Parameters are comparable with ==.
type Parameters struct {
	// ServerNoContextTakeover and ClientNoContextTakeover say that each message
	// is compressed independently, so that no memory is held between messages.
	ServerNoContextTakeover, ClientNoContextTakeover bool

	// ServerMaxWindowBits and ClientMaxWindowBits limit how far back a message
	// may refer. 0 means that the parameter is absent and sets no limit.
	ServerMaxWindowBits, ClientMaxWindowBits WindowBits
}

// DefaultParameters disable takeover in both directions, so that neither side
// holds memory between messages. Nothing in this package reads the variable.
var DefaultParameters = noTakeover()

func noTakeover() Parameters {
	return Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true}
}

// SmallWindow returns the policy of a server that holds a small window for
// sending to each client, and nothing for receiving. The window takes up to 15
// KiB for each client.
func SmallWindow() Parameters {
	return Parameters{ServerMaxWindowBits: 12, ClientNoContextTakeover: true}
}

// WindowBits is the base-2 logarithm of the size of a window: 8 to 15, or 0 if
// the parameter is absent, or [AnyWindowBits].
type WindowBits byte

// AnyWindowBits is client_max_window_bits without a value. In an offer, it says
// that the client accepts any limit (RFC 7692, section 7.1.2.2).
const AnyWindowBits WindowBits = 1

// Defined reports whether the parameter is present, with or without a value.
func (b WindowBits) Defined() bool { return b != 0 }

// Bytes returns the size of the window in bytes. Without a value it is
// [MaxLZ77WindowSize].
func (b WindowBits) Bytes() int { return 1 << b.bits() }

// bits returns the base-2 logarithm of the largest window that b allows.
func (b WindowBits) bits() int {
	if b <= AnyWindowBits {
		return deflate.MaxBits
	}
	return int(b)
}

// valid reports whether b is absent or a value that may be sent.
func (b WindowBits) valid() bool {
	return b == 0 || b >= deflate.MinBits && b <= deflate.MaxBits
}

// narrower returns the smaller one of two bounds, or 0 if neither has a value.
func narrower(a, b WindowBits) WindowBits {
	switch {
	case a <= AnyWindowBits && b <= AnyWindowBits:
		return 0
	case a.bits() < b.bits():
		return a
	case b <= AnyWindowBits:
		return a
	}
	return b
}

// direction holds the parameters of the messages in one direction.
type direction struct {
	bits     int
	takeover bool
}

// sent and received return the parameters of one direction, as seen from side.
// No other code maps parameters to directions.
func (p Parameters) sent(side ws.State) direction {
	if side.ClientSide() {
		return direction{p.ClientMaxWindowBits.bits(), !p.ClientNoContextTakeover}
	}
	return direction{p.ServerMaxWindowBits.bits(), !p.ServerNoContextTakeover}
}

func (p Parameters) received(side ws.State) direction {
	if side.ClientSide() {
		return p.sent(ws.StateServerSide)
	}
	return p.sent(ws.StateClientSide)
}

// Option returns p as an option of Sec-WebSocket-Extensions, for an offer or a
// response.
func (p Parameters) Option() httphead.Option {
	o := httphead.Option{Name: []byte(ExtensionName)}
	for _, flag := range []struct {
		name string
		set  bool
	}{
		{serverNoContextTakeover, p.ServerNoContextTakeover},
		{clientNoContextTakeover, p.ClientNoContextTakeover},
	} {
		if flag.set {
			o.Parameters.Set([]byte(flag.name), nil)
		}
	}
	for _, bound := range []struct {
		name string
		bits WindowBits
	}{
		{serverMaxWindowBits, p.ServerMaxWindowBits},
		{clientMaxWindowBits, p.ClientMaxWindowBits},
	} {
		switch {
		case bound.bits == AnyWindowBits:
			o.Parameters.Set([]byte(bound.name), nil)
		case bound.bits.Defined():
			o.Parameters.Set([]byte(bound.name), strconv.AppendUint(nil, uint64(bound.bits), 10))
		}
	}
	return o
}

// Parse sets p to the parameters of o, an offer or a response (RFC 7692,
// section 7.1). It ignores the name of o and does not retain o. For a parameter
// that is unknown, repeated, or has an invalid value, it returns a
// *[ParameterError] and sets p to zero.
func (p *Parameters) Parse(o httphead.Option) (err error) {
	*p = Parameters{}
	o.Parameters.ForEach(func(name, value []byte) bool {
		err = p.set(name, value)
		return err == nil
	})
	if err != nil {
		*p = Parameters{}
	}
	return err
}

// set sets one parameter.
func (p *Parameters) set(name, value []byte) error {
	switch string(name) {
	case serverNoContextTakeover:
		return setFlag(&p.ServerNoContextTakeover, serverNoContextTakeover, value)
	case clientNoContextTakeover:
		return setFlag(&p.ClientNoContextTakeover, clientNoContextTakeover, value)
	case serverMaxWindowBits:
		return setBits(&p.ServerMaxWindowBits, serverMaxWindowBits, value)
	case clientMaxWindowBits:
		return setBits(&p.ClientMaxWindowBits, clientMaxWindowBits, value)
	}
	return &ParameterError{string(name), "is unknown"}
}

func setFlag(flag *bool, name string, value []byte) error {
	switch {
	case *flag:
		return &ParameterError{name, "comes twice"}
	case len(value) > 0:
		return &ParameterError{name, "must not have a value"}
	}
	*flag = true
	return nil
}

func setBits(bits *WindowBits, name string, value []byte) error {
	switch {
	case bits.Defined():
		return &ParameterError{name, "comes twice"}
	case len(value) > 0:
		*bits = parseBits(value)
	case name == clientMaxWindowBits:
		*bits = AnyWindowBits
	}
	if !bits.Defined() {
		return &ParameterError{name, "must be 8 to 15"}
	}
	return nil
}

// parseBits parses a number from 8 to 15 without leading zeros (RFC 7692,
// section 7.1.2). It returns 0 for any other value.
func parseBits(value []byte) WindowBits {
	switch {
	case len(value) == 1 && value[0] >= '8' && value[0] <= '9':
		return WindowBits(value[0] - '0')
	case len(value) == 2 && value[0] == '1' && value[1] >= '0' && value[1] <= '5':
		return WindowBits(value[1] - '0' + 10)
	}
	return 0
}

// check returns an error if p is not valid as an offer, answer or policy.
func (p Parameters) check() error {
	if !p.ServerMaxWindowBits.valid() {
		return fmt.Errorf("wsflate: invalid Parameters.ServerMaxWindowBits %d: want 0 or 8 to 15", p.ServerMaxWindowBits)
	}
	if !p.ClientMaxWindowBits.valid() && p.ClientMaxWindowBits != AnyWindowBits {
		return fmt.Errorf("wsflate: invalid Parameters.ClientMaxWindowBits %d: want AnyWindowBits, 0 or 8 to 15", p.ClientMaxWindowBits)
	}
	return nil
}

// ParameterError describes a parameter that the peer has sent or omitted in
// violation of RFC 7692, section 7.1.
type ParameterError struct {
	Name   string // as received
	Reason string
}

// Error returns the name and the reason. It quotes the name and cuts it to 256
// bytes, because the peer may have chosen it.
func (e *ParameterError) Error() string {
	return fmt.Sprintf("wsflate: parameter %.256q %s (RFC 7692, section 7.1)", e.Name, e.Reason)
}
