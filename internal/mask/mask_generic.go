package mask

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// These functions are the reference for tests of the assembly. They are used on
// architectures without assembly, and for short payloads.
//
// Words are read and written as little-endian on every machine, so that the
// first byte of the payload is XORed with the first byte of the key. The bytes
// after the last whole word are masked with a word that overlaps others. It is
// read before anything is written, and written at the end, which avoids a loop
// over single bytes.

// short is the length up to which apply does not call the vector kernels.
const short = 31

// highBits has the top bit of each byte set. These bits are zero in ASCII.
const highBits = 0x8080808080808080

// apply writes src, masked, to dst. It reports whether the result is ASCII. For
// more than short bytes, ascii is only valid with vector kernels.
func apply(dst, src []byte, key uint32) (ascii bool) {
	n := len(src)
	dst = dst[:n:len(dst)]
	if n > short {
		return applyLong(dst, src, key)
	}
	k := uint64(key)<<32 | uint64(key)
	atEnd := bits.RotateLeft64(k, -8*(n&3))
	switch {
	case n >= 16:
		a, b := binary.LittleEndian.Uint64(src)^k, binary.LittleEndian.Uint64(src[8:])^k
		c, d := binary.LittleEndian.Uint64(src[n-16:])^atEnd, binary.LittleEndian.Uint64(src[n-8:])^atEnd
		binary.LittleEndian.PutUint64(dst, a)
		binary.LittleEndian.PutUint64(dst[8:], b)
		binary.LittleEndian.PutUint64(dst[n-16:], c)
		binary.LittleEndian.PutUint64(dst[n-8:], d)
		return (a|b|c|d)&highBits == 0
	case n >= 8:
		a, b := binary.LittleEndian.Uint64(src)^k, binary.LittleEndian.Uint64(src[n-8:])^atEnd
		binary.LittleEndian.PutUint64(dst, a)
		binary.LittleEndian.PutUint64(dst[n-8:], b)
		return (a|b)&highBits == 0
	case n >= 4:
		a, b := binary.LittleEndian.Uint32(src)^key, binary.LittleEndian.Uint32(src[n-4:])^uint32(atEnd)
		binary.LittleEndian.PutUint32(dst, a)
		binary.LittleEndian.PutUint32(dst[n-4:], b)
		return uint64(a|b)&highBits == 0
	case n == 0:
		return true
	}
	m := n / 2 // three bytes: the first, this and the last
	a, b, c := src[0]^byte(key), src[m]^byte(key>>(8*m)), src[n-1]^byte(atEnd>>56)
	dst[0], dst[m], dst[n-1] = a, b, c
	return a|b|c < utf8.RuneSelf
}

// applyGeneric writes src, masked, to dst.
func applyGeneric(dst, src []byte, key uint32) {
	n := len(src)
	if n <= short {
		apply(dst, src, key)
		return
	}
	dst = dst[:n]
	k := uint64(key)<<32 | uint64(key)
	last := binary.LittleEndian.Uint64(src[n-8:]) ^ bits.RotateLeft64(k, -8*(n&3))
	end := dst[n-8:]
	for len(src) > 64 && len(dst) > 64 {
		d, s := (*[64]byte)(dst), (*[64]byte)(src)
		binary.LittleEndian.PutUint64(d[0:], binary.LittleEndian.Uint64(s[0:])^k)
		binary.LittleEndian.PutUint64(d[8:], binary.LittleEndian.Uint64(s[8:])^k)
		binary.LittleEndian.PutUint64(d[16:], binary.LittleEndian.Uint64(s[16:])^k)
		binary.LittleEndian.PutUint64(d[24:], binary.LittleEndian.Uint64(s[24:])^k)
		binary.LittleEndian.PutUint64(d[32:], binary.LittleEndian.Uint64(s[32:])^k)
		binary.LittleEndian.PutUint64(d[40:], binary.LittleEndian.Uint64(s[40:])^k)
		binary.LittleEndian.PutUint64(d[48:], binary.LittleEndian.Uint64(s[48:])^k)
		binary.LittleEndian.PutUint64(d[56:], binary.LittleEndian.Uint64(s[56:])^k)
		dst, src = dst[64:], src[64:]
	}
	for len(src) > 8 && len(dst) > 8 {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src)^k)
		dst, src = dst[8:], src[8:]
	}
	binary.LittleEndian.PutUint64(end, last)
}

// applyASCIIGeneric is applyGeneric in place, and reports whether the result is
// ASCII. Two passes are as fast as one pass that does both.
func applyASCIIGeneric(p []byte, key uint32) (ascii bool) {
	if len(p) <= short {
		return apply(p, p, key)
	}
	ascii = asciiGeneric(p, key)
	applyGeneric(p, p, key)
	return ascii
}

// asciiGeneric reports whether p, which is longer than short, is ASCII after
// masking.
func asciiGeneric(p []byte, key uint32) bool {
	n := len(p)
	k := uint64(key)<<32 | uint64(key)
	seen := binary.LittleEndian.Uint64(p[n-8:]) ^ bits.RotateLeft64(k, -8*(n&3))
	for len(p) > 32 {
		q := (*[32]byte)(p)
		a, b := binary.LittleEndian.Uint64(q[0:])^k, binary.LittleEndian.Uint64(q[8:])^k
		c, d := binary.LittleEndian.Uint64(q[16:])^k, binary.LittleEndian.Uint64(q[24:])^k
		seen |= a | b | c | d
		p = p[32:]
	}
	for len(p) > 8 {
		seen |= binary.LittleEndian.Uint64(p) ^ k
		p = p[8:]
	}
	return seen&highBits == 0
}
