package ws

import (
	"bytes"
	"net/http"
	"slices"
)

// fieldUse is what a field of a head is for. Which fields a caller may set in a head
// follows from that.
type fieldUse uint8

const (
	useHandshake fieldUse = 1 << iota // the handshake itself, see fieldOf
	useFraming                        // the length of a message (RFC 9112, section 6)
	useContent                        // what a body is (RFC 9110, section 8)
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

// useOf returns what the field of this name is for.
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

// What a caller may not set: in a request or in what is added to an answer, and in the
// answer of status 101 of a handler that has set it for a page.
const (
	notInRequest = useHandshake | useFraming
	notInAnswer  = useHandshake | useFraming | useContent
)

// AnswerHeader filters h for [HTTPUpgrader].Header: it returns a copy without the fields
// that may not stand in an answer of status 101, which are those of the handshake itself
// and those that describe a body. With it a handler sends what it has set in the header
// of its http.ResponseWriter, such as cookies.
func AnswerHeader(h http.Header) http.Header { return without(h, notInAnswer) }

// RequestHeader filters h for [Dialer].Header: it returns a copy without the fields that
// the request of a handshake may not have from its caller, which are those of the handshake
// itself and those that bound a body. With it a program hands on the request of a
// client.
func RequestHeader(h http.Header) http.Header { return without(h, notInRequest) }
