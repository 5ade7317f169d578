package httphead

import (
	"iter"

	grammar "github.com/gobwas/httphead"
)

// Tokens parses all fields with this name as one list of tokens and yields its
// members (RFC 9110, section 5.6.1). Members are views. Tokens skips empty
// members. If the fields are malformed or have no member, the last pair is nil
// and [ErrList].
func (f Fields) Tokens(name string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) { f.eachView(name, scanToken, yield) }
}

// Protocols is [Fields.Tokens] for a list of protocols. Each member is a name,
// or a name and a version with a slash between them (RFC 9110, section 7.8).
func (f Fields) Protocols(name string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) { f.eachView(name, scanProtocol, yield) }
}

// eachView yields the members that scan finds, as views.
func (f Fields) eachView(name string, scan func([]byte) (member, rest []byte, ok bool), yield func([]byte, error) bool) {
	var view []byte
	eachMember(f, name, func(p []byte) (rest []byte, err error) {
		var ok bool
		if view, rest, ok = scan(p); !ok {
			err = ErrList
		}
		return rest, err
	}, func(err error) bool {
		if err != nil {
			return yield(nil, err)
		}
		return yield(view, nil)
	})
}

// HasToken reports whether [Fields.Tokens] yields token, without regard to the
// case of ASCII letters. It ignores members after a malformed part.
func (f Fields) HasToken(name, token string) bool {
	for member, err := range f.Tokens(name) {
		if err == nil && equalFold(member, token) {
			return true
		}
	}
	return false
}

// eachMember parses all fields with this name as one list, 1#member. For each
// member it calls scan, and then found with nil. It stops if found returns
// false. If scan returns an error, it calls found with that error and stops. It
// does the same with ErrList if something other than a comma follows a member,
// or if the fields have no member.
func eachMember(f Fields, name string, scan func(p []byte) (rest []byte, err error), found func(error) bool) {
	fields, members := 0, 0
	for i := range f {
		if !equalFold(f[i].Name, name) {
			continue
		}
		fields++
		for p := skipEmpty(f[i].Value); len(p) > 0; p = skipEmpty(p) {
			rest, err := scan(p)
			p = skipOWS(rest)
			if err == nil && len(p) > 0 && p[0] != ',' {
				err = ErrList
			}
			if err != nil {
				found(err)
				return
			}
			members++
			if !found(nil) {
				return
			}
		}
	}
	if fields > 0 && members == 0 {
		found(ErrList)
	}
}

// skipEmpty returns p without leading white space and commas, because a
// recipient ignores empty members (RFC 9110, section 5.6.1.2).
func skipEmpty(p []byte) []byte {
	for len(p) > 0 && (p[0] == ',' || isOWS(p[0])) {
		p = p[1:]
	}
	return p
}

func skipOWS(p []byte) []byte {
	for len(p) > 0 && isOWS(p[0]) {
		p = p[1:]
	}
	return p
}

// scanToken returns the token at the start of p and the bytes after it.
func scanToken(p []byte) (token, rest []byte, ok bool) {
	n, kind := grammar.ScanToken(p)
	if kind != grammar.ItemToken {
		return nil, p, false
	}
	return p[:n:n], p[n:], true
}

// scanProtocol returns the protocol at the start of p and the bytes after it.
func scanProtocol(p []byte) (protocol, rest []byte, ok bool) {
	if _, rest, ok = scanToken(p); ok && len(rest) > 0 && rest[0] == '/' {
		_, rest, ok = scanToken(rest[1:])
	}
	n := len(p) - len(rest)
	return p[:n:n], rest, ok
}

// scanString returns the content of the quoted-string at the start of p and the
// bytes after it (RFC 9110, section 5.6.4). The content is a view, unless it
// has escapes.
func scanString(p []byte) (s, rest []byte, ok bool) {
	escapes := 0
	for i := 1; i < len(p); i++ {
		switch c := p[i]; {
		case c == '"' && escapes == 0:
			return p[1:i:i], p[i+1:], true
		case c == '"':
			return unescape(p[1:i], escapes), p[i+1:], true
		case isControl(c) && c != '\t':
			return nil, p, false
		case c == '\\':
			escapes++
			if i++; i < len(p) && isControl(p[i]) && p[i] != '\t' {
				return nil, p, false
			}
		}
	}
	return nil, p, false
}

// unescape returns p without the backslashes of its quoted-pairs.
func unescape(p []byte, escapes int) []byte {
	s := make([]byte, 0, len(p)-escapes)
	for i := 0; i < len(p); i++ {
		if p[i] == '\\' {
			i++
		}
		s = append(s, p[i])
	}
	return s
}
