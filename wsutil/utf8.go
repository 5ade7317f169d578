package wsutil

import (
	"io"

	"github.com/wskit/wskit/internal/utf8s"
)

// UTF8Reader checks that what it reads is UTF-8 (RFC 6455, section 8.1), at the
// speed of memory. Source may be changed between calls: the text goes on. It is
// not for concurrent use.
type UTF8Reader struct {
	Source io.Reader

	text     utf8s.Validator
	accepted int
}

// NewUTF8Reader returns a UTF8Reader that reads from r.
func NewUTF8Reader(r io.Reader) *UTF8Reader { return &UTF8Reader{Source: r} }

// Reset makes u what [NewUTF8Reader] returns.
func (u *UTF8Reader) Reset(r io.Reader) { *u = UTF8Reader{Source: r} }

// Read reads from Source into p. As soon as an impossible byte comes, it returns
// [ErrInvalidUTF8] and the number of bytes of this call that stand before the bad
// character, and reads no more from then on. Its other errors are those of Source.
// A text that ends inside a character is no error here: ask [UTF8Reader.Valid].
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

// Valid reports whether all that was read is UTF-8 and does not end inside a
// character.
func (u *UTF8Reader) Valid() bool { return u.text.Done() }

// Accepted returns how many bytes of the last Read stand before or at the end of
// its last whole character.
func (u *UTF8Reader) Accepted() int { return u.accepted }
