package httphead

import (
	"bufio"
	"io"
)

// Response is the head of a response. The zero value is ready for use; set
// Limits before Parse or Read. A Response that is used again allocates nothing.
//
// All byte slices are views: into what was given to Parse, or for Read as said
// there. After an error Response holds nothing of use but Limits.
type Response struct {
	Major, Minor int    // of the HTTP version; Major is 1
	Status       int    // three digits: 100 to 999
	Reason       []byte // may be empty
	Fields       Fields // those that announce a body are for the caller to obey
	Limits       Limits

	scratch []byte // a head larger than the reader's buffer
}

// Parse parses the response head at the start of p; n is its size with the final
// empty line. It ignores bytes after the head.
//
// It returns [io.ErrUnexpectedEOF] if p holds only a part of a head, and an
// [*Error] for one that is malformed or larger than Limits. p need not hold the
// whole head for a fault to be found.
func (r *Response) Parse(p []byte) (n int, err error) {
	*r = Response{Fields: r.Fields[:0], Limits: r.Limits, scratch: r.scratch}
	r.Fields, n, err = parseHead(p, r.Fields, r.Limits, r.parseLine)
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Read reads one response head from br. It does not consume bytes after the head. The
// views are into the buffer of br if the head fits in it, and otherwise into
// memory that r keeps: they are valid until the next read from br and the next
// Parse or Read of r, whichever is first.
//
// It returns [io.EOF] if nothing arrived, [io.ErrUnexpectedEOF] if the stream
// ended inside the head, an [*Error] as Parse does, and what else br failed with
// as it came. After an error the position of br is undefined.
func (r *Response) Read(br *bufio.Reader) error {
	return readHead(br, &r.scratch, r.Limits, r.Parse)
}

// Reset forgets all of r, Limits too, but for the memory that it parses into: r
// then refers to no bytes that it was given.
func (r *Response) Reset() {
	*r = Response{Fields: keepFields(r.Fields), scratch: keepScratch(r.scratch)}
}

// parseLine parses the status line at the start of p (RFC 9112, section 4). The
// space behind the status may be missing where the reason is empty: servers of
// the field leave it out, and it changes nothing.
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

// parseStatus parses a space and the three digits of a status at p[i:] (RFC
// 9110, section 15).
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
