// Package peertext limits the length of text from a peer in errors and
// responses.
package peertext

import "unicode/utf8"

// Max is the maximum length in bytes.
const Max = 256

// Cut returns s, or its first [Max] bytes and "..." if it is longer. It does
// not cut inside a UTF-8 character.
func Cut[T ~string | ~[]byte](s T) string {
	if len(s) <= Max {
		return string(s)
	}
	n := Max
	for n > Max-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return string(s[:n]) + "..."
}
