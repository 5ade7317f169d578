// Package mask holds the loop that masks and unmasks WebSocket payloads (RFC 6455,
// section 5.3).
//
// The assembly for amd64 (SSE2, and AVX2 where the processor has it) and arm64
// (NEON) is used for 32 bytes and more; shorter texts, other architectures and
// the build tag purego have the plain Go of mask_generic.go. Nothing is allocated
// or retained, no byte outside the slices is touched, and calls on different
// slices may run concurrently.
package mask

import (
	"encoding/binary"
	"math/bits"
)

// XOR masks or unmasks p in place with key. The first byte of p meets
// key[pos&3] (RFC 6455, section 5.3). pos may be any int >= 0.
func XOR(p []byte, key [4]byte, pos int) {
	apply(p, p, Word(key, pos))
}

// Copy writes src, masked, to dst[:len(src)]. dst and src start at the same
// byte or do not overlap. It panics if dst is shorter than src.
func Copy(dst, src []byte, key [4]byte, pos int) {
	apply(dst, src, Word(key, pos))
}

// ASCII is XOR that also reports whether p, as it is afterwards, is all ASCII.
func ASCII(p []byte, key [4]byte, pos int) bool {
	if !vectors { // it is not known on the way
		return applyASCIIGeneric(p, Word(key, pos))
	}
	return apply(p, p, Word(key, pos))
}

// Word is key as a little-endian word whose lowest byte is key[pos&3].
func Word(key [4]byte, pos int) uint32 {
	return bits.RotateLeft32(binary.LittleEndian.Uint32(key[:]), -8*(pos&3))
}
