package ws

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/wskit/wskit/httphead"
)

// Request is what a client asks for in an opening handshake, as a server received
// it, however it was carried (RFC 6455, section 4.1). [ParseRequest] makes one of
// the bytes of HTTP/1.1; another transport fills in the exported fields.
// [Upgrader.Decide] answers it.
//
// The zero value is ready for use; set HeadLimits before ParseRequest. A Request
// that is used again allocates nothing. Its slices are views into what was parsed.
type Request struct {
	Method       []byte          // "GET", or "CONNECT" where the transport has streams
	Target       []byte          // path and query, or the absolute form of HTTP/1.1
	Protocol     []byte          // :protocol of an extended CONNECT (RFC 8441, section 4)
	Major, Minor int             // of the version of HTTP
	Host         []byte          // of an absolute Target, or else Host or :authority; nil without it
	Fields       httphead.Fields // all of them, pseudo-header fields excepted

	// HeadLimits bounds the head of HTTP/1.1; the zero value stands for 16 KiB
	// and 128 fields.
	HeadLimits httphead.Limits

	secure   bool             // came over TLS, as far as is known
	head     httphead.Request // what ParseRequest parses into
	searched int              // how much of an incomplete head has been searched for its end

	// What Decide works with; the last two are the Agreement's.
	fields headFields       // Fields, sorted
	option httphead.Option  // the extension that is looked at
	accept [acceptSize]byte // Sec-WebSocket-Accept
	lines  []byte           // other fields of the answer, checked
}

// ParseRequest parses the request head at the start of p into r; n is its size with
// the final empty line. It does not look at what follows the head.
//
// It returns [io.ErrUnexpectedEOF] if p holds only a part of a head: call it again
// with the same bytes and those that have arrived since. Each byte is looked at a
// bounded number of times then. Call [Request.Reset] before the head of another
// connection. A nil r is an error. Any other error is a *[ConnectionRejectedError], which [AppendRefusal]
// turns into the answer: [ErrMalformedRequest], or [ErrHandshakeBadProtocol] for
// another major version of HTTP.
func ParseRequest(p []byte, r *Request) (n int, err error) {
	if r == nil {
		return 0, errNilRequest
	}
	if 0 < r.searched && r.searched <= len(p) && httphead.End(p, r.searched) < 0 && !r.HeadLimits.Exceeded(len(p)) {
		r.searched = len(p)
		return 0, io.ErrUnexpectedEOF
	}
	r.head.Limits = r.HeadLimits
	n, err = r.head.Parse(p)
	r.searched = 0
	if err == io.ErrUnexpectedEOF {
		r.searched = len(p)
		return 0, err
	}
	return n, r.take(err)
}

// read is ParseRequest for what br yields. It takes no byte that follows the head.
func (r *Request) read(br *bufio.Reader) error {
	r.head.Limits = r.HeadLimits
	return r.take(r.head.Read(br))
}

// take takes what has been parsed into r.head with the outcome err.
func (r *Request) take(err error) error {
	r.Method, r.Target, r.Fields = r.head.Method, r.head.Target, r.head.Fields
	r.Major, r.Minor = r.head.Major, r.head.Minor
	r.Protocol = nil
	if err != nil {
		r.Fields, r.Host = nil, nil
		return malformed(err, r.HeadLimits)
	}
	host, absolute := absoluteHost(r.Target)
	switch {
	case !absolute:
		host, _ = r.Fields.Value(fieldHost.String())
	case r.Fields.Count(fieldHost.String()) == 0: // RFC 9112, section 3.2: it must be there in any case
		host = nil
	case bytes.IndexByte(host, '%') >= 0: // a byte above ASCII, which no host has on the wire
		host = nil
	}
	r.Host = host
	return nil
}

// Reset forgets all of r, HeadLimits too, but for the memory that it parses into: r
// then refers to no bytes that it was given.
func (r *Request) Reset() {
	r.head.Reset()
	head, lines := r.head, r.lines[:0]
	if cap(lines) > keepMost {
		lines = nil
	}
	*r = Request{} // in place: a Request is too large a value for the stack
	r.head, r.lines = head, lines
}

// malformed returns the refusal of a head at fault. An error of another kind, such
// as that of the network, it returns as it is.
func malformed(err error, lim httphead.Limits) error {
	fault, ok := errors.AsType[*httphead.Error](err)
	if !ok {
		return err
	}
	text := fault.Error()
	refusal := &ConnectionRejectedError{status: fault.Status, reason: text, body: []byte(text), causes: []error{ErrMalformedRequest, fault}}
	switch {
	case fault.Status == http.StatusHTTPVersionNotSupported:
		refusal.causes[0] = ErrHandshakeBadProtocol
	case err == httphead.ErrTooManyFields:
		refusal.reason += fmt.Sprintf("; HeadLimits.MaxFields is %d", limit(lim.MaxFields, httphead.DefaultMaxFields))
	case err == httphead.ErrHeadTooLarge, err == httphead.ErrStartLineTooLong:
		refusal.reason += fmt.Sprintf("; HeadLimits.MaxBytes is %d", limit(lim.MaxBytes, httphead.DefaultMaxBytes))
	}
	return refusal
}
