package wsutil

import (
	"io"

	"github.com/wskit/wskit/internal/utf8s"
)

// UTF8Reader checks that what it reads is valid UTF-8 (RFC 6455, section 8.1).
// Source may be changed between calls: the new source continues the text. A
// UTF8Reader is not safe for concurrent use.
type UTF8Reader struct {
	Source io.Reader

	text     utf8s.Validator
	accepted int
}

// NewUTF8Reader returns a UTF8Reader that reads from r.
func NewUTF8Reader(r io.Reader) *UTF8Reader { return &UTF8Reader{Source: r} }

// Reset resets u to the state of a new UTF8Reader that reads from r.
func (u *UTF8Reader) Reset(r io.Reader) { *u = UTF8Reader{Source: r} }

// Read reads from Source into p. When an invalid byte arrives, it returns
// [ErrInvalidUTF8] and the number of bytes of p before the invalid character;
// later calls return the same error without reading. Other errors are those of
// Source. Read does not report a text that ends inside a character: see
// [UTF8Reader.Valid].
func (u *UTF8Reader) Read(p []byte) (n int, err error) {
	u.accepted = 0
	if !u.text.Valid(nil) {
		return 0, ErrInvalidUTF8
	}
	if u.Source == nil {
		return 0, errNilSource
	}
	n, err = u.Source.Read(p)
	var ok bool
	if u.accepted, ok = u.text.Feed(p[:n]); !ok {
		return u.accepted, ErrInvalidUTF8
	}
	return n, err
}

// Valid reports whether everything read so far is valid UTF-8 that does not end
// inside a character.
func (u *UTF8Reader) Valid() bool { return u.text.Done() }

// Accepted returns the number of bytes of the last Read up to the end of its
// last complete character.
func (u *UTF8Reader) Accepted() int { return u.accepted }
