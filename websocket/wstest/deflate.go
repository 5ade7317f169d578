package wstest

import "math/bits"

// deflater writes DEFLATE blocks by hand, so that a case can choose matches and
// the ends of blocks.
type deflater struct {
	out []byte
	n   uint // bits of the last byte that are used; 0: all
}

func (e *deflater) bits(v, n int) {
	for i := range n {
		if e.n == 0 {
			e.out = append(e.out, 0)
		}
		e.out[len(e.out)-1] |= byte(v>>i&1) << e.n
		e.n = (e.n + 1) & 7
	}
}

// fixed begins a block with the fixed codes.
func (e *deflater) fixed(final bool) {
	e.bits(flag(final)|1<<1, 3)
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// symbol writes a literal, or the end of the block, 256, or a length.
func (e *deflater) symbol(s int) {
	n := fixedLength(s)
	var v int
	switch {
	case s < 144:
		v = 0x30 + s
	case s < 256:
		v = 0x190 + s - 144
	case s < 280:
		v = s - 256
	default:
		v = 0xc0 + s - 280
	}
	e.bits(int(bits.Reverse16(uint16(v))>>(16-n)), n)
}

func (e *deflater) literals(p []byte) {
	for _, b := range p {
		e.symbol(int(b))
	}
}

const endOfBlock = 256

// match copies length bytes, 3 to 258, from distance bytes back.
func (e *deflater) match(length, distance int) {
	s, more, n := find(lengthBase[:], length)
	e.symbol(257 + s)
	e.bits(more, n)
	s, more, n = find(distanceBase[:], distance)
	e.bits(int(bits.Reverse8(uint8(s))>>3), 5)
	e.bits(more, n)
}

func find(table []base, v int) (symbol, more, n int) {
	for s := len(table) - 1; s >= 0; s-- {
		if table[s].value <= v {
			return s, v - table[s].value, table[s].bits
		}
	}
	return 0, 0, 0
}

// stored writes p, at most 65,535 bytes, without compression.
func (e *deflater) stored(p []byte, final bool) {
	e.bits(flag(final), 3)
	e.n = 0
	e.out = append(e.out, byte(len(p)), byte(len(p)>>8), ^byte(len(p)), ^byte(len(p)>>8))
	e.out = append(e.out, p...)
}

// flush ends a message: an empty stored block without the four bytes of length
// (RFC 7692, section 7.2.1).
func (e *deflater) flush() []byte {
	e.bits(0, 3)
	e.n = 0
	return e.out
}

// deflate compresses p after history, with distances of at most window bytes.
func deflate(history, p []byte, window int) []byte {
	all := append(append([]byte(nil), history...), p...)
	e := new(deflater)
	e.fixed(false)
	const size = 1 << 15
	var last [size]int // position of a hash, plus 1
	hash := func(i int) uint32 {
		return (uint32(all[i])<<16 | uint32(all[i+1])<<8 | uint32(all[i+2])) * 2654435761 >> 17
	}
	for i := 0; i < len(all); {
		n, distance := 1, 0
		if i+3 <= len(all) {
			h := hash(i)
			if at := last[h] - 1; at >= 0 && i-at <= window && i >= len(history) {
				n, distance = max(common(all, at, i), 1), i-at
			}
			last[h] = i + 1
		}
		switch {
		case i < len(history):
		case n >= 3:
			e.match(n, distance)
		default:
			n = 1
			e.symbol(int(all[i]))
		}
		i += n
	}
	e.symbol(endOfBlock)
	return e.flush()
}

// common returns how many bytes, up to 258, are equal at two positions.
func common(p []byte, a, b int) (n int) {
	for b+n < len(p) && n < 258 && p[a+n] == p[b+n] {
		n++
	}
	return n
}
