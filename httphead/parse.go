package httphead

import "io"

// ParseFields appends the field lines of p to dst: views into p. It stops at the
// end of p or in front of an empty line; n is the number of bytes it took, so
// that p held field lines and nothing else if n is len(p).
//
// It returns [io.ErrUnexpectedEOF] if p ends inside a line, and for a fault an
// [*Error] (RFC 9112, section 5); f holds the fields in front of it.
func ParseFields(p []byte, dst Fields, lim Limits) (f Fields, n int, err error) {
	block := p[:min(len(p), lim.maxBytes())]
	f, n, err = appendFields(dst, block, 0, lim.maxFields())
	if len(block) < len(p) && (err == io.ErrUnexpectedEOF || err == nil && n == len(block)) {
		err = ErrHeadTooLarge
	}
	return f, n, err
}

// usualFields is how many fields a Request or Response makes room for at once;
// those of a browser's handshake fit.
const usualFields = 16

// parseHead parses a head whose start line is left to a function, which returns
// the size of that line. A fault that is found in the first bytes of a head is
// found in every longer part of it too, whatever follows.
func parseHead(p []byte, dst Fields, lim Limits, startLine func([]byte) (int, error)) (f Fields, n int, err error) {
	p = p[:min(len(p), lim.maxBytes())]
	n, err = startLine(p)
	switch {
	case err == io.ErrUnexpectedEOF && lim.Exceeded(len(p)):
		return dst, 0, ErrStartLineTooLong
	case err != nil:
		return dst, 0, err
	}
	if cap(dst) == 0 {
		dst = make(Fields, 0, usualFields)
	}
	if f, n, err = appendFields(dst, p, n, lim.maxFields()); err == nil {
		n, err = lineEnd(p, n, ErrLineEnd)
	}
	if err == io.ErrUnexpectedEOF && lim.Exceeded(len(p)) {
		err = ErrHeadTooLarge
	}
	return f, n, err
}

// appendFields appends the field lines of p[i:] to f, up to the end of p or an
// empty line (RFC 9112, section 5), and returns where it stopped.
func appendFields(f Fields, p []byte, i, most int) (Fields, int, error) {
	for i < len(p) && p[i] != '\r' {
		colon := tokenEnd(p, i)
		if colon == len(p) {
			return f, i, io.ErrUnexpectedEOF
		}
		if p[colon] != ':' || colon == i {
			return f, i, nameFault(p[colon], colon == i)
		}
		end := controlEnd(p, colon+1)
		next, err := lineEnd(p, end, ErrFieldValue)
		if err != nil {
			return f, i, err
		}
		if len(f) >= most {
			return f, i, ErrTooManyFields
		}
		f = append(f, Field{p[i:colon:colon], trimOWS(p[colon+1 : end : end])})
		i = next
	}
	return f, i, nil
}

// nameFault returns what is wrong with a field line if c is not valid in its
// name. first says that c is the first byte.
func nameFault(c byte, first bool) error {
	switch {
	case c == '\n':
		return ErrLineEnd
	case isOWS(c) && first:
		return ErrFold
	case isOWS(c):
		return ErrNameSpace
	case c == '\r':
		return ErrNoColon
	}
	return ErrFieldName
}

// lineEnd returns the index after the CRLF at p[i:]. If p[i:] does not begin
// with a line end, it returns other.
func lineEnd(p []byte, i int, other error) (int, error) {
	switch {
	case i == len(p) || p[i] == '\r' && i+1 == len(p):
		return i, io.ErrUnexpectedEOF
	case p[i] == '\r' && p[i+1] == '\n':
		return i + 2, nil
	case p[i] == '\r' || p[i] == '\n':
		return i, ErrLineEnd
	}
	return i, other
}

const protocol = "HTTP/1.1"

// parseVersion parses the HTTP version at p[i:] (RFC 9112, section 2.3), which
// is of fixed size. It returns malformed where something else stands.
func parseVersion(p []byte, i int, malformed error) (minor, n int, err error) {
	v := p[i:min(len(p), i+len(protocol))]
	for j, c := range v {
		if c != protocol[j] && (protocol[j] != '1' || c < '0' || c > '9') {
			return 0, i, malformed
		}
	}
	switch {
	case len(v) < len(protocol):
		return 0, i, io.ErrUnexpectedEOF
	case v[5] != '1':
		return 0, i, ErrVersion
	}
	return int(v[7] - '0'), i + len(protocol), nil
}
