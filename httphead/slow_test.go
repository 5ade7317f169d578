package httphead

import (
	"regexp"
	"strings"
)

// The grammar of RFC 9112 written down as it stands there, over runes of which
// each is one byte: slow, plain, and what the parsers are compared with.
var (
	slowField    = "([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\\t\\x20-\\x7e\\x80-\\xff]*)\\r\\n"
	slowFields   = regexp.MustCompile("^" + slowField)
	slowRequest  = regexp.MustCompile("^(?:\\r\\n)?([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~\\x80-\\xff]+) HTTP/1\\.[0-9]\\r\\n((?:" + slowField + ")*)\\r\\n")
	slowResponse = regexp.MustCompile("^HTTP/1\\.[0-9] ([1-9][0-9]{2})(?: ([\\t\\x20-\\x7e\\x80-\\xff]*))?\\r\\n((?:" + slowField + ")*)\\r\\n")
	slowEscape   = "%[0-9A-Fa-f]{2}"
	slowHost     = "([^/?%]|%[89A-Fa-f][0-9A-Fa-f])*"
	slowTarget   = map[bool]*regexp.Regexp{
		true:  regexp.MustCompile("^[^/?#@]+:[0-9]+$"),
		false: regexp.MustCompile("^((?i:https?|wss?)://" + slowHost + ")?(/([^%?]|" + slowEscape + ")*)?([?].*)?$"),
	}
)

// latin1 turns each byte into the rune of its number, and back.
func latin1(p []byte) string {
	var b strings.Builder
	for _, c := range p {
		b.WriteRune(rune(c))
	}
	return b.String()
}

func unlatin1(s string) string {
	p := make([]byte, 0, len(s))
	for _, r := range s {
		p = append(p, byte(r))
	}
	return string(p)
}

// parseSlow matches p and returns the size of the head, the two variable parts of
// its start line and its fields as name, value, name, ...
func parseSlow(p []byte, grammar *regexp.Regexp) (n int, line [2]string, fields []string, ok bool) {
	m := grammar.FindStringSubmatch(latin1(p))
	if m == nil {
		return 0, line, nil, false
	}
	for rest := m[3]; rest != ""; {
		f := slowFields.FindStringSubmatch(rest)
		fields = append(fields, unlatin1(f[1]), strings.Trim(unlatin1(f[2]), " \t"))
		rest = rest[len(f[0]):]
	}
	return len(unlatin1(m[0])), [2]string{unlatin1(m[1]), unlatin1(m[2])}, fields, true
}

// acceptableSlow reports whether a request that matches the grammar keeps the
// rules on targets, Host and bodies.
func acceptableSlow(method, target string, fields []string) bool {
	if !slowTarget[method == "CONNECT"].MatchString(target) && (method != "OPTIONS" || target != "*") {
		return false
	}
	if method != "CONNECT" && (target[0] == '?' || strings.HasSuffix(target, "://") && target[0] != '/') {
		return false // neither a path nor a host
	}
	hosts := 0
	for i := 0; i < len(fields); i += 2 {
		switch strings.ToLower(fields[i]) {
		case "host":
			hosts++
		case "content-length":
			if fields[i+1] != "0" {
				return false
			}
		case "transfer-encoding":
			return false
		}
	}
	return hosts < 2
}
