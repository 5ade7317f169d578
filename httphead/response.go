package httphead

import (
	"bufio"
	"io"
)

// Response is the head of a response. The zero value is ready to use. Set
// Limits before Parse or Read. Reusing a Response does not allocate.
//
// All byte slices are views into the argument of Parse, or into the memory that
// Read documents. After an error only Limits is valid.
type Response struct {
	Major, Minor int    // of the HTTP version; Major is 1
	Status       int    // three digits: 100 to 999
	Reason       []byte // may be empty
	Fields       Fields // the caller must handle fields that announce a body
	Limits       Limits

	scratch []byte // a head larger than the reader's buffer
}

// Parse parses the response head at the start of p. n is its size, including
// the final empty line. It ignores bytes after the head.
//
// It returns [io.ErrUnexpectedEOF] if p holds only a part of a head, and an
// [*Error] if the head is malformed or larger than Limits. Parse may return an
// *Error before the head is complete.
func (r *Response) Parse(p []byte) (n int, err error) {
	*r = Response{Fields: r.Fields[:0], Limits: r.Limits, scratch: r.scratch}
	r.Fields, n, err = parseHead(p, r.Fields, r.Limits, r.parseLine)
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Read reads one response head from br. It does not consume bytes after the
// head. If the head fits in the buffer of br, the views refer to that buffer.
// Otherwise they refer to memory that r keeps. They are valid until the next
// read from br or the next Parse or Read of r.
//
// Read returns [io.EOF] if nothing arrived, [io.ErrUnexpectedEOF] if the stream
// ended inside the head, an [*Error] as Parse does, or the error of br. After
// an error the position of br is undefined.
func (r *Response) Read(br *bufio.Reader) error {
	return readHead(br, &r.scratch, r.Limits, r.Parse)
}

// Reset clears r, including Limits, and keeps its memory for parsing. r then
// does not refer to earlier input.
func (r *Response) Reset() {
	*r = Response{Fields: keepFields(r.Fields), scratch: keepScratch(r.scratch)}
}

// parseLine parses the status line at the start of p (RFC 9112, section 4). The
// space after the status may be missing if the reason is empty: some servers
// omit it, and that is not ambiguous.
func (r *Response) parseLine(p []byte) (n int, err error) {
	minor, i, err := parseVersion(p, 0, ErrStatusLine)
	if err != nil {
		return 0, err
	}
	status, i, err := parseStatus(p, i)
	if err != nil {
		return 0, err
	}
	end := i
	if i < len(p) && p[i] == ' ' {
		i++
		end = controlEnd(p, i)
	}
	if n, err = lineEnd(p, end, ErrStatusLine); err != nil {
		return 0, err
	}
	r.Major, r.Minor, r.Status, r.Reason = 1, minor, status, p[i:end:end]
	return n, nil
}

// parseStatus parses a space and a status of three digits at p[i:] (RFC 9110,
// section 15).
func parseStatus(p []byte, i int) (status, n int, err error) {
	for j, c := range p[i:min(len(p), i+4)] {
		switch {
		case j == 0 && c != ' ', j == 1 && c == '0', j > 0 && (c < '0' || c > '9'):
			return 0, i, ErrStatusLine
		case j > 0:
			status = 10*status + int(c-'0')
		}
	}
	if len(p) < i+4 {
		return 0, i, io.ErrUnexpectedEOF
	}
	return status, i + 4, nil
}
