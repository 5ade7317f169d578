// Package framing encodes frame headers (RFC 6455, section 5.2) for package ws
// and for fast paths. Its arguments are passed in registers. A ws.Header
// contains an array, so it is stored to memory field by field and loaded as a
// whole, which stalls the processor. That is half of the cost of writing a
// short message.
package framing

import (
	"encoding/binary"
	"math"
)

// The first two bytes of a header (RFC 6455, section 5.2). The first has FinBit
// if the frame ends its message. The second has MaskBit if a key follows. Its
// other bits are a length up to ShortLength, or say in how many bytes the
// length follows.
const (
	FinBit  = 0x80
	MaskBit = 0x80

	ShortLength  = 125
	MediumLength = 126 // in two bytes
	LongLength   = 127 // in eight bytes
)

// Lead returns the first byte of a header. It cuts off excess bits of rsv and
// op.
func Lead(fin bool, rsv, op byte) byte {
	lead := op&0xf | rsv&0x7<<4
	if fin {
		lead |= FinBit
	}
	return lead
}

// Size returns how many bytes [Append], or [AppendMasked] if masked is set,
// appends for a payload of n bytes.
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

// Append appends the header of an unmasked frame with a payload of n bytes.
// lead is its first byte.
func Append(dst []byte, lead byte, n uint64) []byte {
	if n <= ShortLength {
		return append(dst, lead, byte(n))
	}
	return appendLong(dst, lead, n)
}

// appendLong is Append for lengths above ShortLength. It is a separate function
// so that Append is inlined.
func appendLong(dst []byte, lead byte, n uint64) []byte {
	if n <= math.MaxUint16 {
		return append(dst, lead, MediumLength, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, lead, LongLength), n)
}

// AppendMasked is [Append] for a masked frame. The lowest byte of key comes
// first.
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
