// Package peertext bounds text that a peer sent before it goes into an error or an
// answer, so that a large request does not become a larger one on the way back.
package peertext

import "unicode/utf8"

// Max is how many bytes of it are kept.
const Max = 256

// Cut returns s, or its first [Max] bytes and "..." if it is longer. It does not cut
// a character of UTF-8 in two.
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
