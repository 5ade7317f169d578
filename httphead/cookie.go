package httphead

import (
	"bytes"
	"iter"

	grammar "github.com/gobwas/httphead"
)

// Cookies yields name and value of each cookie in all Cookie fields: views, in
// their order (RFC 6265, section 4.2.1; a name may come more than once). A value
// loses the quotes around it. Values may hold spaces and commas, as net/http
// reads them too. What is malformed is passed over: a pair without "=", a name
// that is not a token, a value with a quote, a backslash or a byte that is not
// printable ASCII.
func (f Fields) Cookies() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for value := range f.Values("Cookie") {
			if !eachCookie(value, yield) {
				return
			}
		}
	}
}

// eachCookie yields the cookies of one field value and reports whether yield
// wants more. The grammar sees one trimmed pair at a time: it takes any other
// white space than one space between two pairs for a part of the name.
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
