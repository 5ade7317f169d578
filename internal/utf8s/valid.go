// Package utf8s validates UTF-8 (RFC 3629) at the speed of memory: of a whole
// text, of a text in pieces, and while it unmasks.
//
// The kernels for amd64 with AVX2 and for arm64 validate whole texts.
// validator.go uses them for pieces: it checks the bytes of a character that a
// piece cuts one by one, and also a piece that a kernel refused, to find the
// position of the fault.
package utf8s

import "unicode/utf8"

// Valid reports whether p is valid UTF-8 from beginning to end.
func Valid(p []byte) bool { return valid(p) }

// validGeneric is the reference for tests of the assembly, and is used on
// architectures without it. It is the function of the standard library, which
// skips ASCII in steps of 32 bytes.
func validGeneric(p []byte) bool { return utf8.Valid(p) }
