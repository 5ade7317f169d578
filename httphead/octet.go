package httphead

import (
	"encoding/binary"
	"math/bits"
)

// tokenOctet holds true for each tchar (RFC 9110, section 5.6.2).
var tokenOctet = func() (t [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789" +
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		t[c] = true
	}
	return t
}()

// IsToken reports whether s is a token (RFC 9110, section 5.6.2).
func IsToken[T ~string | ~[]byte](s T) bool {
	for i := range len(s) {
		if !tokenOctet[s[i]] {
			return false
		}
	}
	return len(s) > 0
}

// The searches below test eight bytes at once. The carry or borrow of one byte
// can mark a wrong byte, but only after a correctly marked one, unless the
// function says something else. Only the first mark is used.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// tokenEnd returns the index in p of the first byte at or after i that is not
// part of a token, or len(p).
func tokenEnd(p []byte, i int) int {
	for i < len(p) && tokenOctet[p[i]] {
		i++
	}
	return i
}

// controlEnd returns the index in p of the first control byte at or after i, or
// len(p). It does not stop at HTAB, the only control byte that a field value
// may contain. The byte after 0xff can be marked wrongly, and is tested again.
func controlEnd(p []byte, i int) int {
	for i < len(p) {
		for ; len(p)-i >= 8; i += 8 {
			w := binary.LittleEndian.Uint64(p[i:])
			if m := ((w - 0x20*ones) | (w + ones)) &^ w & highs; m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
		}
		for ; i < len(p) && !isControl(p[i]); i++ {
		}
		if i == len(p) || p[i] != '\t' {
			return i
		}
		i++
	}
	return i
}

func isControl(c byte) bool { return c < 0x20 || c == 0x7f }

// visibleEnd returns the index in p of the first byte at or after i that is not
// visible ASCII, or len(p).
func visibleEnd(p []byte, i int) int {
	for ; len(p)-i >= 8; i += 8 {
		w := binary.LittleEndian.Uint64(p[i:])
		del := w ^ 0x7f*ones
		if m := ((w - 0x21*ones) | (del-ones)&^del | w) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for i < len(p) && 0x21 <= p[i] && p[i] <= 0x7e {
		i++
	}
	return i
}

// targetEnd returns the index in p of the first space or control byte at or
// after i, or len(p). A request target contains neither.
func targetEnd(p []byte, i int) int {
	for ; len(p)-i >= 8; i += 8 {
		w := binary.LittleEndian.Uint64(p[i:])
		del := w ^ 0x7f*ones
		if m := ((w-0x21*ones)&^w | (del-ones)&^del) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for i < len(p) && p[i] > ' ' && p[i] != 0x7f {
		i++
	}
	return i
}

// equalFold reports whether p equals s without regard to the case of ASCII
// letters.
func equalFold(p []byte, s string) bool {
	if len(p) != len(s) {
		return false
	}
	for i, c := range p {
		if lower(c) != lower(s[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c |= 0x20
	}
	return c
}

// trimOWS returns s without the optional white space around it (RFC 9110,
// section 5.6.3).
func trimOWS[T ~string | ~[]byte](s T) T {
	for len(s) > 0 && isOWS(s[0]) {
		s = s[1:]
	}
	for len(s) > 0 && isOWS(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func isOWS(c byte) bool { return c == ' ' || c == '\t' }

// Canonicalize changes a field name in place to the canonical form of net/http:
// the first letter and each letter after a hyphen become upper case, and the
// others lower case.
func Canonicalize(name []byte) {
	upper := true
	for i, c := range name {
		if c = lower(c); upper && 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		name[i] = c
		upper = c == '-'
	}
}
