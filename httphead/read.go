package httphead

import (
	"bufio"
	"errors"
	"io"
)

// End returns the index after the final empty line of the head at the start of
// p, or -1 if the head is incomplete. The search begins at from, the number of
// bytes of p that earlier calls have searched. Each byte is thus inspected
// once, even if the head arrives in many pieces.
//
// End also stops at the first byte that is not allowed in a head, such as a
// bare LF or a NUL, so that the caller does not wait for the rest of an invalid
// head. If the caller then parses p up to that index, Parse returns an
// [*Error].
func End(p []byte, from int) int {
	i := max(from, 0)
	if 0 < i && i <= len(p) && p[i-1] == '\r' {
		i-- // the byte after that CR had not arrived
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

// readHead reads a head from br for parse. It first calls parse with the bytes
// of one read. If these are only a part of the head, it calls parse again with
// the whole head. Only readHead consumes bytes of br. The bytes that parse
// receives are in the buffer of br or, for a larger head, in scratch.
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
		_, _ = br.Discard(n) // cannot fail: n bytes are buffered
		return err
	}
	return readLarge(br, scratch, lim, parse)
}

// readLarge reads a head that does not fit in the buffer of br. scratch grows
// with the bytes that arrive, to at most the limit plus one buffer.
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
		_, _ = br.Discard(len(head) - searched) // cannot fail: all of it is buffered
	}
	*scratch = head
	_, err := parse(head)
	return err
}

// inside returns err, with io.EOF replaced by io.ErrUnexpectedEOF.
func inside(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
