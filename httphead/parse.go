package httphead

import "io"

// ParseFields parses the field lines at the start of p and appends the fields
// to dst, as views into p. It stops before an empty line or at the end of p. n
// is the number of bytes that it parsed. If n is len(p), p holds only field
// lines.
//
// It returns [io.ErrUnexpectedEOF] if p ends inside a line, and an [*Error] if
// a line is malformed (RFC 9112, section 5) or p exceeds lim. On an error, f
// holds the fields before the fault.
func ParseFields(p []byte, dst Fields, lim Limits) (f Fields, n int, err error) {
	block := p[:min(len(p), lim.maxBytes())]
	f, n, err = appendFields(dst, block, 0, lim.maxFields())
	if len(block) < len(p) && (err == io.ErrUnexpectedEOF || err == nil && n == len(block)) {
		err = ErrHeadTooLarge
	}
	return f, n, err
}

// usualFields is the number of fields for which a Request or Response first
// allocates memory. The fields of a browser's handshake fit.
const usualFields = 16

// parseHead parses a head. It calls startLine, which parses the start line and
// returns its size. If parseHead returns an [*Error] for the first bytes of a
// head, it returns the same error for every longer part.
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
		f = append(f, Field{}) // a literal with slices would be built on the stack and copied
		f[len(f)-1].Name, f[len(f)-1].Value = p[i:colon:colon], trimOWS(p[colon+1:end:end])
		i = next
	}
	return f, i, nil
}

// nameFault returns the error for a field line whose name is invalid because of
// the byte c. first says whether c is the first byte of the line.
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

// parseVersion parses the HTTP version at p[i:], which has a fixed size (RFC
// 9112, section 2.3). If p[i:] begins with something else, it returns
// malformed.
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
