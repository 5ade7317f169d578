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

// Request is a client's opening handshake as a server received it, independent
// of the version of HTTP (RFC 6455, section 4.1). [ParseRequest] parses one
// from HTTP/1.1. Other transports set the exported fields. [Upgrader.Decide]
// answers it.
//
// The zero value is ready to use. Set HeadLimits before ParseRequest. Reusing a
// Request avoids allocations. Its slices are views of the parsed bytes.
type Request struct {
	Method       []byte          // "GET", or "CONNECT" in HTTP/2 and HTTP/3
	Target       []byte          // path and query, or the absolute form of HTTP/1.1
	Protocol     []byte          // :protocol of an extended CONNECT (RFC 8441, section 4)
	Major, Minor int             // of the version of HTTP
	Host         []byte          // from an absolute Target, or else Host or :authority; nil if there is none
	Fields       httphead.Fields // all fields except pseudo-headers

	// HeadLimits limits the head of HTTP/1.1. The zero value means 16 KiB and
	// 128 fields.
	HeadLimits httphead.Limits

	secure   bool             // came over TLS, as far as known
	head     httphead.Request // target of ParseRequest
	searched int              // bytes of an incomplete head that were searched for its end

	// Working memory of Decide. The last two belong to the Agreement.
	fields headFields       // Fields, sorted
	option httphead.Option  // the current extension
	accept [acceptSize]byte // Sec-WebSocket-Accept
	lines  []byte           // other fields of the response, checked
}

// ParseRequest parses the request head at the start of p into r. n is the size
// of the head with its final empty line. It ignores bytes after the head.
//
// It returns [io.ErrUnexpectedEOF] if p holds only a part of a head: call it
// again with the same bytes and those that have arrived since. The total time
// of these calls is linear. Call [Request.Reset] before the head of another
// connection. If r is nil, ParseRequest returns an error. Any other error is a
// *[ConnectionRejectedError], for which [AppendRefusal] encodes a response. It
// wraps [ErrMalformedRequest], or [ErrHandshakeBadProtocol] for another major
// version of HTTP.
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

// read is ParseRequest for a bufio.Reader. It does not read past the head.
func (r *Request) read(br *bufio.Reader) error {
	r.head.Limits = r.HeadLimits
	return r.take(r.head.Read(br))
}

// take copies the parsed r.head to r. err is the result of parsing.
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
	case r.Fields.Count(fieldHost.String()) == 0: // RFC 9112, section 3.2: it is required in any case
		host = nil
	case bytes.IndexByte(host, '%') >= 0: // a byte above ASCII, which no host has on the wire
		host = nil
	}
	r.Host = host
	return nil
}

// Reset sets r to the zero value, including HeadLimits, but keeps memory for
// reuse. r then does not refer to parsed bytes.
func (r *Request) Reset() {
	r.head.Reset()
	head, lines := r.head, r.lines[:0]
	if cap(lines) > maxKept {
		lines = nil
	}
	*r = Request{} // in place: a Request is too large a value for the stack
	r.head, r.lines = head, lines
}

// malformed returns the refusal for an error of httphead. It returns other
// errors, such as those of the network, unchanged.
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
