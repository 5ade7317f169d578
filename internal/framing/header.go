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

// The two bytes that every header has (RFC 6455, section 5.2). The first one has FinBit if the
// frame is the last one of its message. The second one has MaskBit if a key follows; less that,
// it is a length up to ShortLength, or says in how many bytes the length follows.
const (
	FinBit  = 0x80
	MaskBit = 0x80

	ShortLength  = 125
	MediumLength = 126 // in two bytes
	LongLength   = 127 // in eight bytes
)

// Lead returns the first byte of a header. What rsv and op have too many bits is cut
// off.
func Lead(fin bool, rsv, op byte) byte {
	lead := op&0xf | rsv&0x7<<4
	if fin {
		lead |= FinBit
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
	case n > ShortLength:
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
	if n <= ShortLength {
		return append(dst, lead, byte(n))
	}
	return appendLong(dst, lead, n)
}

// appendLong is Append where the length takes bytes of its own. It is apart so that
// Append is inlined.
func appendLong(dst []byte, lead byte, n uint64) []byte {
	if n <= math.MaxUint16 {
		return append(dst, lead, MediumLength, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, lead, LongLength), n)
}

// AppendMasked is [Append] for a masked frame. The lowest byte of key comes first.
func AppendMasked(dst []byte, lead byte, n uint64, key uint32) []byte {
	switch {
	case n <= ShortLength:
		dst = append(dst, lead, MaskBit|byte(n))
	case n <= math.MaxUint16:
		dst = append(dst, lead, MaskBit|MediumLength, byte(n>>8), byte(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, lead, MaskBit|LongLength), n)
	}
	return binary.LittleEndian.AppendUint32(dst, key)
}
