// Package framing writes frame headers (RFC 6455, section 5.2). It is the codec of
// package ws for callers in a hurry: what it is given travels in registers, where a
// ws.Header, which holds an array, is put into memory field by field and read again as
// a whole, and the processor has to wait for that. It is half of what a short message
// costs to write.
package framing

import (
	"encoding/binary"
	"math"
)

// Lead returns the first byte of a header. What rsv and op have too many bits is cut
// off.
func Lead(fin bool, rsv, op byte) byte {
	lead := op&0xf | rsv&0x7<<4
	if fin {
		lead |= 0x80
	}
	return lead
}

// Size returns how many bytes [Append] appends for a payload of n bytes, and
// [AppendMasked] if masked is set.
func Size(n uint64, masked bool) int {
	size := 2
	switch {
	case n > math.MaxUint16:
		size = 10
	case n > 125:
		size = 4
	}
	if masked {
		size += 4
	}
	return size
}

// Append appends the header, with this first byte, of an unmasked frame of n bytes of
// payload.
func Append(dst []byte, lead byte, n uint64) []byte {
	switch {
	case n <= 125:
		return append(dst, lead, byte(n))
	case n <= math.MaxUint16:
		return append(dst, lead, 126, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, lead, 127), n)
}

// AppendMasked is [Append] for a masked frame. The lowest byte of key comes first.
func AppendMasked(dst []byte, lead byte, n uint64, key uint32) []byte {
	switch {
	case n <= 125:
		dst = append(dst, lead, 0x80|byte(n))
	case n <= math.MaxUint16:
		dst = append(dst, lead, 0x80|126, byte(n>>8), byte(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, lead, 0x80|127), n)
	}
	return binary.LittleEndian.AppendUint32(dst, key)
}
