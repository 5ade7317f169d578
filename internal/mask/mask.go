// Package mask masks and unmasks WebSocket payloads (RFC 6455, section 5.3).
//
// The assembly for amd64 (SSE2, and AVX2 where the processor has it) and arm64
// (NEON) is used for 32 bytes and more. Shorter payloads, other architectures
// and the build tag purego use the Go code in mask_generic.go. The functions do
// not allocate, do not retain their arguments, and do not access bytes outside
// the slices.
package mask

import (
	"encoding/binary"
	"math/bits"
)

// XOR masks or unmasks p in place with key (RFC 6455, section 5.3). The first
// byte of p is XORed with key[pos&3]. pos must not be negative.
func XOR(p []byte, key [4]byte, pos int) {
	apply(p, p, Word(key, pos))
}

// Copy writes src, masked, to dst[:len(src)]. dst and src must not overlap
// unless they start at the same byte. It panics if dst is shorter than src.
func Copy(dst, src []byte, key [4]byte, pos int) {
	apply(dst, src, Word(key, pos))
}

// ASCII is XOR, and also reports whether the result is ASCII.
func ASCII(p []byte, key [4]byte, pos int) bool {
	if !vectors { // XOR does not check this
		return applyASCIIGeneric(p, Word(key, pos))
	}
	return apply(p, p, Word(key, pos))
}

// Word is key as a little-endian word whose lowest byte is key[pos&3].
func Word(key [4]byte, pos int) uint32 {
	return bits.RotateLeft32(binary.LittleEndian.Uint32(key[:]), -8*(pos&3))
}
