package httphead

import (
	"bufio"
	"bytes"
	"io"
)

// Request is the head of a request. The zero value is ready to use. Set Limits
// before Parse or Read. Reusing a Request does not allocate.
//
// All byte slices are views into the argument of Parse, or into the memory that
// Read documents. After an error only Limits is valid.
type Request struct {
	Method       []byte // as received: methods are case-sensitive
	Target       []byte // in one of the forms of RFC 9112, section 3.2; may contain bytes above ASCII
	Major, Minor int    // of the HTTP version; Major is 1
	Fields       Fields
	Limits       Limits

	scratch []byte // a head larger than the reader's buffer
}

// Parse parses the request head at the start of p. n is its size, including the
// final empty line. It ignores bytes after the head.
//
// It returns [io.ErrUnexpectedEOF] if p holds only a part of a head, and an
// [*Error] if the head is malformed, larger than Limits, or announces a body.
// Parse may return an *Error before the head is complete.
func (r *Request) Parse(p []byte) (n int, err error) {
	*r = Request{Fields: r.Fields[:0], Limits: r.Limits, scratch: r.scratch}
	r.Fields, n, err = parseHead(p, r.Fields, r.Limits, r.parseLine)
	if err == nil {
		err = checkFraming(r.Fields)
	}
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Read reads one request head from br. It does not consume bytes after the
// head. If the head fits in the buffer of br, the views refer to that buffer.
// Otherwise they refer to memory that r keeps. They are valid until the next
// read from br or the next Parse or Read of r.
//
// Read returns [io.EOF] if nothing arrived, [io.ErrUnexpectedEOF] if the stream
// ended inside the head, an [*Error] as Parse does, or the error of br. After
// an error the position of br is undefined.
func (r *Request) Read(br *bufio.Reader) error {
	return readHead(br, &r.scratch, r.Limits, r.Parse)
}

// Reset clears r, including Limits, and keeps its memory for parsing. r then
// does not refer to earlier input.
func (r *Request) Reset() {
	*r = Request{Fields: keepFields(r.Fields), scratch: keepScratch(r.scratch)}
}

// parseLine parses the request line at the start of p (RFC 9112, section 3). It
// skips an empty line before the request line (section 2.2).
func (r *Request) parseLine(p []byte) (n int, err error) {
	i := 0
	if len(p) > 0 && p[0] == '\r' {
		if i, err = lineEnd(p, 0, ErrLineEnd); err != nil {
			return 0, err
		}
	}
	m := tokenEnd(p, i)
	if err := wantSpace(p, i, m); err != nil {
		return 0, err
	}
	t := targetEnd(p, m+1)
	if err := wantSpace(p, m+1, t); err != nil {
		return 0, err
	}
	minor, n, err := parseVersion(p, t+1, ErrRequestLine)
	if err != nil {
		return 0, err
	}
	if n, err = lineEnd(p, n, ErrRequestLine); err != nil {
		return 0, err
	}
	r.Method, r.Target, r.Major, r.Minor = p[i:m:m], p[m+1:t:t], 1, minor
	return n, checkTarget(r.Method, r.Target)
}

// wantSpace checks that the word p[i:end] of a request line is not empty and is
// followed by a space.
func wantSpace(p []byte, i, end int) error {
	switch {
	case end == len(p):
		return io.ErrUnexpectedEOF
	case p[end] == '\n':
		return ErrLineEnd
	case p[end] != ' ' || end == i:
		return ErrRequestLine
	}
	return nil
}

// checkTarget checks the form of a target (RFC 9112, section 3.2) and the
// escapes in its path (RFC 3986, section 2.1). Like net/http, it allows bytes
// above ASCII, and any query.
func checkTarget(method, target []byte) error {
	switch {
	case string(method) == "CONNECT":
		if !isAuthority(target) {
			return ErrTarget
		}
		return nil
	case target[0] == '/':
		return checkEscapes(target)
	case string(target) == "*" && string(method) == "OPTIONS":
		return nil
	}
	for _, scheme := range [...]string{"http://", "https://", "ws://", "wss://"} {
		if len(target) > len(scheme) && equalFold(target[:len(scheme)], scheme) {
			return checkAbsolute(target[len(scheme):])
		}
	}
	return ErrTarget
}

// checkAbsolute checks the part of a target after the scheme. Only bytes above
// ASCII may be escaped in a host (RFC 3986, section 3.2.2), because nothing
// else needs an escape.
func checkAbsolute(rest []byte) error {
	host := rest
	if i := bytes.IndexAny(rest, "/?"); i >= 0 {
		host, rest = rest[:i], rest[i:]
	} else {
		rest = nil
	}
	for i := bytes.IndexByte(host, '%'); i >= 0; i = bytes.IndexByte(host, '%') {
		if host = host[i:]; !isEscape(host) || host[1] < '8' {
			return ErrTarget
		}
		host = host[3:]
	}
	return checkEscapes(rest)
}

// checkEscapes checks the escapes in the path at the start of p.
func checkEscapes(p []byte) error {
	i := bytes.IndexByte(p, '%')
	if i < 0 {
		return nil
	}
	if q := bytes.IndexByte(p, '?'); q >= 0 {
		p = p[:q]
	}
	for ; i >= 0; i = bytes.IndexByte(p, '%') {
		if i >= len(p) {
			return nil // in the query
		}
		if p = p[i:]; !isEscape(p) {
			return ErrTarget
		}
		p = p[3:]
	}
	return nil
}

// isEscape reports whether p begins with "%" and two hexadecimal digits.
func isEscape(p []byte) bool { return len(p) >= 3 && isHex(p[1]) && isHex(p[2]) }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// isAuthority reports whether target is a host and a port (RFC 9112, section
// 3.2.3).
func isAuthority(target []byte) bool {
	colon := bytes.LastIndexByte(target, ':')
	if colon <= 0 || colon == len(target)-1 || bytes.ContainsAny(target[:colon], "/?#@") {
		return false
	}
	for _, c := range target[colon+1:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// checkFraming refuses heads that two parsers could understand as different
// requests: a second Host (RFC 9112, section 3.2) or a body (section 6).
func checkFraming(f Fields) error {
	hosts := 0
	for i := range f {
		switch name := f[i].Name; len(name) {
		case len("Host"):
			if equalFold(name, "Host") {
				hosts++
			}
		case len("Content-Length"):
			if equalFold(name, "Content-Length") && string(f[i].Value) != "0" {
				return contentLengthFault(f[i].Value)
			}
		case len("Transfer-Encoding"):
			if equalFold(name, "Transfer-Encoding") {
				return ErrBody
			}
		}
	}
	if hosts > 1 {
		return ErrHost
	}
	return nil
}

// contentLengthFault returns the error for a length other than "0" (RFC 9110,
// section 8.6). Other spellings of zero are malformed, because another parser
// might read them as a list or as octal.
func contentLengthFault(v []byte) error {
	for _, c := range v {
		if c < '0' || c > '9' {
			return ErrContentLength
		}
	}
	if len(v) == 0 || v[0] == '0' {
		return ErrContentLength
	}
	return ErrBody
}
