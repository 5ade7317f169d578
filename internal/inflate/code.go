package inflate

import (
	"encoding/binary"
	"slices"
	"sync"
)

// code is the code of the symbols of a block (RFC 1951, section 3.2.5).
type code struct {
	lit  [litSize]uint32
	dist [distSize]uint32

	// The index bits of the tables as masks. Short codes have small tables.
	litMask, distMask uint64

	// The bits of the block header that describe the code, if they are known.
	header     [maxHeader]uint64
	headerBits int
}

// maxHeader is the maximum number of words of a stored description.
const maxHeader = 20

// fixed is the code of RFC 1951, section 3.2.6.
var fixed = makeFixed()

func makeFixed() *code {
	c, t := new(code), new(builder)
	t.add(&t.lit, 0, 144, 8)
	t.add(&t.lit, 144, 112, 9)
	t.add(&t.lit, 256, 24, 7)
	t.add(&t.lit, 280, 8, 8)
	t.add(&t.dist, maxSymbols, 32, 5)
	c.build(t, maxSymbols)
	return c
}

// build makes c the code of the symbols in b. firstDist is the first symbol of
// the distances. what names an invalid code.
func (c *code) build(b *builder, firstDist int) (what string) {
	litIndex, ok := b.build(c.lit[:], litBits, &b.lit, 0, litSymbols[:])
	if !ok {
		return "invalid literal and length code"
	}
	distIndex, ok := b.build(c.dist[:], distBits, &b.dist, firstDist, distSymbols[:])
	if !ok {
		return "invalid distance code"
	}
	c.litMask, c.distMask = 1<<litIndex-1, 1<<distIndex-1
	return ""
}

// describedBy reports whether the bits of in at pos are the header of c. It may
// return false near the end of in.
func (c *code) describedBy(in []byte, pos int) bool {
	words := (c.headerBits + 63) / 64
	if words == 0 || pos/8+8*words >= len(in) {
		return false
	}
	last := words - 1
	for k, w := range c.header[:last] {
		if bitsAt(in, pos+64*k) != w {
			return false
		}
	}
	return (bitsAt(in, pos+64*last)^c.header[last])<<(uint(-c.headerBits)&63) == 0
}

// describe stores the bits of in from pos to end as the header of c.
func (c *code) describe(in []byte, pos, end int) {
	words := (end - pos + 63) / 64
	if words > maxHeader || pos/8+8*words >= len(in) {
		return
	}
	for k := range words {
		c.header[k] = bitsAt(in, pos+64*k)
	}
	c.headerBits = end - pos
}

// bitsAt returns the 64 bits of in at bit pos.
func bitsAt(in []byte, pos int) uint64 {
	p := in[pos/8:]
	shift := uint(pos & 7)
	return binary.LittleEndian.Uint64(p)>>shift | uint64(p[8])<<(64-shift)
}

// codes is a cache of dynamic codes of earlier blocks. An encoder with prepared
// codes sends the same few descriptions repeatedly, so their tables need not be
// built again. The first code is the one to build. If its description comes
// again, it is swapped with the oldest of the others.
//
// A stream borrows them while it decodes. A stream that waits for input holds
// only the code of its open block.
type codes struct {
	kept   [4]*code
	oldest int // of kept[1:]
}

var allCodes = sync.Pool{New: func() any { return new(codes) }}

// borrowCodes borrows the codes.
func (s *stream) borrowCodes() {
	if s.codes == nil {
		s.codes = allCodes.Get().(*codes)
	}
	if s.kept != nil {
		s.codes.add(s.kept)
		s.kept = nil
	}
}

// parkCodes returns the codes, except for that of an open block.
func (s *stream) parkCodes() {
	var open *code
	if s.at == atSymbols && s.code != fixed {
		open = s.code
	}
	if s.kept != open {
		s.borrowCodes()
	}
	if s.codes == nil {
		return
	}
	if s.kept = open; open != nil {
		s.codes.remove(open)
	}
	allCodes.Put(s.codes)
	s.codes = nil
}

// remove removes k, and add adds it at a free index.
func (c *codes) remove(k *code) { c.kept[slices.Index(c.kept[:], k)] = nil }

func (c *codes) add(k *code) {
	if i := slices.Index(c.kept[:], nil); i >= 0 {
		c.kept[i] = k
	}
}

// find returns the code that the bits of in at pos describe, or nil.
func (c *codes) find(in []byte, pos int) *code {
	for i, k := range c.kept {
		if k == nil || !k.describedBy(in, pos) {
			continue
		}
		if i == 0 {
			c.oldest = c.oldest%(len(c.kept)-1) + 1
			c.kept[0], c.kept[c.oldest] = c.kept[c.oldest], k
		}
		return k
	}
	return nil
}

// fresh returns the code to build into.
func (c *codes) fresh() *code {
	if c.kept[0] == nil {
		c.kept[0] = new(code)
	}
	c.kept[0].headerBits = 0
	return c.kept[0]
}
