package bench

import (
	"unicode/utf8"

	segmentio "github.com/segmentio/asm/utf8"
)

// stdLibrary is the package unicode/utf8 of the standard library.
var stdLibrary = Library{
	Name: "std",

	Valid: func(text []byte, got *bool) Job {
		return func(n int) error {
			for range n {
				*got = utf8.Valid(text)
			}
			return nil
		}
	},
}

// segmentioLibrary is github.com/segmentio/asm, which has assembly for amd64.
var segmentioLibrary = Library{
	Name: "segmentio",

	Valid: func(text []byte, got *bool) Job {
		return func(n int) error {
			for range n {
				*got = segmentio.Valid(text)
			}
			return nil
		}
	},
}
