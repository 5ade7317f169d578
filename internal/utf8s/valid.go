// Package utf8s checks that a text is UTF-8 (RFC 3629) at the speed of memory,
// whole or as it arrives in pieces, and while it is being unmasked.
//
// The kernels for amd64 with AVX2 and for arm64 judge whole texts. What makes
// them a check of pieces is in validator.go: the bytes of a character that a
// piece leaves open are taken one by one, and so is a piece that a kernel found
// wrong, to say where.
package utf8s

import "unicode/utf8"

// Valid reports whether p is valid UTF-8 from beginning to end.
func Valid(p []byte) bool { return valid(p) }

// validGeneric is the reference that the assembly is tested against, and does the
// work where there is none: the standard library's function, which passes over
// ASCII in steps of 32 bytes.
func validGeneric(p []byte) bool { return utf8.Valid(p) }
