package httphead

import (
	"bytes"
	"iter"

	grammar "github.com/gobwas/httphead"
)

// Cookies yields the name and value of each cookie in all Cookie fields, in
// order, as views (RFC 6265, section 4.2.1). A name may occur more than once.
// Quotes around a value are removed. As in net/http, values may contain spaces
// and commas. Cookies skips malformed pairs: one without "=", with a name that
// is not a token, or with a value that contains a quote, a backslash or a byte
// that is not printable ASCII.
func (f Fields) Cookies() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for value := range f.Values("Cookie") {
			if !eachCookie(value, yield) {
				return
			}
		}
	}
}

// eachCookie yields the cookies of one field value. It returns false if yield
// returned false. It passes one trimmed pair at a time to the grammar, which
// accepts only a single space between pairs.
func eachCookie(p []byte, yield func(name, value []byte) bool) bool {
	more := true
	pass := func(name, value []byte) bool {
		if len(name) > 0 && value != nil {
			more = yield(name, value)
		}
		return more
	}
	for found := true; more && found; {
		var pair []byte
		pair, p, found = bytes.Cut(p, []byte{';'})
		grammar.CookieScanner{}.Scan(trimOWS(pair), pass)
	}
	return more
}
