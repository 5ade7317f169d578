package httphead

import (
	"bufio"
	"errors"
	"io"
)

// End searches p for the end of a head and returns the index behind its final
// empty line, or -1 if that has not arrived. The search begins at from, the
// number of bytes at the start of p that an earlier call has searched in vain:
// a head that arrives in any number of pieces is looked at once.
//
// It also ends at the first byte that no head may hold, such as a bare LF or a
// NUL, so that nobody waits for the rest of a head that will be refused. Parse,
// given p up to the index, says which it was; it does not return
// [io.ErrUnexpectedEOF] then.
func End(p []byte, from int) int {
	i := max(from, 0)
	if 0 < i && i <= len(p) && p[i-1] == '\r' {
		i-- // what follows that CR was not there yet
	}
	for {
		if i = controlEnd(p, i); i >= len(p) {
			return -1
		}
		if p[i] != '\r' {
			return i + 1
		}
		if i++; i == len(p) {
			return -1
		}
		if p[i] != '\n' || i >= 3 && p[i-2] == '\n' {
			return i + 1
		}
		i++
	}
}

var errNilReader = errors.New("httphead: nil reader")

// readHead fetches a head from br for parse, which it calls once with what one
// read brought, and if that was not enough once more with the whole head. It is
// here that bytes are taken from br; what parse keeps refers to the buffer of br
// or, for a head larger than that, to scratch.
func readHead(br *bufio.Reader, scratch *[]byte, lim Limits, parse func([]byte) (int, error)) error {
	if br == nil {
		return errNilReader
	}
	if _, err := br.Peek(1); err != nil {
		return err
	}
	p, _ := br.Peek(br.Buffered())
	n, err := parse(p)
	for end := -1; err == io.ErrUnexpectedEOF && len(p) < br.Size(); {
		searched := len(p)
		if _, err := br.Peek(searched + 1); err != nil {
			return inside(err)
		}
		p, _ = br.Peek(br.Buffered())
		if end = End(p, searched); end >= 0 || lim.Exceeded(len(p)) {
			n, err = parse(p)
		}
	}
	if err != io.ErrUnexpectedEOF {
		_, _ = br.Discard(n) // n bytes are buffered
		return err
	}
	return readLarge(br, scratch, lim, parse)
}

// readLarge goes on where the buffer of br is full of the first part of a head.
// scratch grows with what arrives, to at most one buffer over the limit.
func readLarge(br *bufio.Reader, scratch *[]byte, lim Limits, parse func([]byte) (int, error)) error {
	head := (*scratch)[:0]
	for end := -1; end < 0 && !lim.Exceeded(len(head)); {
		if _, err := br.Peek(1); err != nil {
			return inside(err)
		}
		searched := len(head)
		p, _ := br.Peek(br.Buffered())
		head = append(head, p...)
		if end = End(head, searched); end >= 0 {
			head = head[:end]
		}
		_, _ = br.Discard(len(head) - searched) // all of it is buffered
	}
	*scratch = head
	_, err := parse(head)
	return err
}

// inside returns err as it is to be seen by one who waits for the rest of a head.
func inside(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
