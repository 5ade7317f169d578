package ws

import (
	"bytes"
	"net/http"
	"slices"
)

// fieldUse is the purpose of a field. It determines which fields a caller may
// set.
type fieldUse uint8

const (
	useHandshake fieldUse = 1 << iota // the handshake itself, see fieldOf
	useFraming                        // the length of a message (RFC 9112, section 6)
	useContent                        // the format of a body (RFC 9110, section 8)
	useOther     fieldUse = 0
)

var messageFields = [...]struct {
	name string
	use  fieldUse
}{
	{"Content-Length", useFraming},
	{"Transfer-Encoding", useFraming},
	{"Trailer", useFraming},
	{"Content-Type", useContent},
	{"Content-Encoding", useContent},
}

// useOf returns the purpose of the field with this name.
func useOf(name []byte) fieldUse {
	if fieldOf(name) != handshakeFields {
		return useHandshake
	}
	for i := range messageFields {
		if f := &messageFields[i]; len(name) == len(f.name) && bytes.EqualFold(name, []byte(f.name)) {
			return f.use
		}
	}
	return useOther
}

// without returns a copy of h without the fields of these uses.
func without(h http.Header, uses fieldUse) http.Header {
	left := make(http.Header, len(h))
	for name, values := range h {
		if useOf([]byte(name))&uses == 0 {
			left[name] = slices.Clone(values)
		}
	}
	return left
}

// Fields that a caller may not set, in a request and in a response. A handler
// may have set fields of useContent for an ordinary response.
const (
	notInRequest = useHandshake | useFraming
	notInAnswer  = useHandshake | useFraming | useContent
)

// AnswerHeader returns a copy of h for [HTTPUpgrader].Header, without the
// fields that must not be in a response of status 101: those of the handshake
// itself and those that describe a body. A handler uses it to send fields that
// it has set in the header of its http.ResponseWriter, such as cookies.
func AnswerHeader(h http.Header) http.Header { return without(h, notInAnswer) }

// RequestHeader returns a copy of h for [Dialer].Header, without the fields
// that a caller may not set in the request of a handshake: those of the
// handshake itself and those that delimit a body. A proxy uses it to forward
// the fields of a client's request.
func RequestHeader(h http.Header) http.Header { return without(h, notInRequest) }
