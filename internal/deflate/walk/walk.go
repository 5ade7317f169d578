// Package walk parses DEFLATE streams symbol by symbol (RFC 1951), for tests
// and for the generator of code tables. It is simple rather than fast.
package walk

import "errors"

// ErrCorrupt reports that the stream is not valid, or ends inside a block.
var ErrCorrupt = errors.New("walk: corrupt stream")

// A Symbol is a match if Length is not 0, and otherwise a literal.
type Symbol struct {
	Literal  byte
	Length   int
	Distance int
}

// A Block is one block of a stream.
type Block struct {
	Final   bool
	Type    int      // BTYPE: 0 stored, 1 fixed, 2 dynamic
	Header  int      // bits before the first symbol
	Symbols []Symbol // of a stored block: its bytes
}

// Blocks returns the blocks of data, which must end at the end of a block.
func Blocks(data []byte) ([]Block, error) {
	r := &reader{data: data}
	var blocks []Block
	for r.left() >= 8 || (len(blocks) == 0 && r.left() > 0) {
		b, err := r.block()
		if err != nil {
			return blocks, err
		}
		blocks = append(blocks, b)
	}
	return blocks, nil
}

// Resolve appends the decoded blocks to history, and returns the largest
// distance in them.
func Resolve(history []byte, blocks []Block) (out []byte, reach int, err error) {
	for _, b := range blocks {
		for _, s := range b.Symbols {
			if s.Length == 0 {
				history = append(history, s.Literal)
				continue
			}
			if s.Distance > len(history) {
				return history, reach, ErrCorrupt
			}
			reach = max(reach, s.Distance)
			for range s.Length {
				history = append(history, history[len(history)-s.Distance])
			}
		}
	}
	return history, reach, nil
}

type reader struct {
	data []byte
	pos  int // in bits
	err  error
}

func (r *reader) left() int { return 8*len(r.data) - r.pos }

func (r *reader) bits(n int) (v int) {
	for i := range n {
		if r.left() <= 0 {
			r.err = ErrCorrupt
			return 0
		}
		v |= int(r.data[r.pos/8]>>(r.pos%8)&1) << i
		r.pos++
	}
	return v
}

func (r *reader) block() (b Block, err error) {
	begin := r.pos
	b.Final = r.bits(1) == 1
	b.Type = r.bits(2)
	switch b.Type {
	case 0:
		r.pos = (r.pos + 7) &^ 7
		n := r.bits(16)
		if r.err == nil && r.bits(16) != n^0xffff {
			return b, ErrCorrupt
		}
		b.Header = r.pos - begin
		for range n {
			b.Symbols = append(b.Symbols, Symbol{Literal: byte(r.bits(8))})
		}
	case 1, 2:
		litLen, distance := fixedCodes()
		if b.Type == 2 {
			litLen, distance = r.dynamicCodes()
		}
		b.Header = r.pos - begin
		b.Symbols = r.symbols(litLen, distance)
	default:
		return b, ErrCorrupt
	}
	return b, r.err
}

// Tables of RFC 1951, section 3.2.5.
var (
	lengthBase = [...]int{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31,
		35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra  = [...]int{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distanceBase = [...]int{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193,
		257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distanceExtra = [...]int{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

func (r *reader) symbols(litLen, distance code) (all []Symbol) {
	for r.err == nil {
		switch s := r.symbol(litLen); {
		case s < 256:
			all = append(all, Symbol{Literal: byte(s)})
		case s == 256:
			return all
		case s-257 < len(lengthBase):
			length := lengthBase[s-257] + r.bits(lengthExtra[s-257])
			d := r.symbol(distance)
			if d >= len(distanceBase) {
				r.err = ErrCorrupt
				break
			}
			all = append(all, Symbol{Length: length, Distance: distanceBase[d] + r.bits(distanceExtra[d])})
		default:
			r.err = ErrCorrupt
		}
	}
	return all
}

// A code is a canonical Huffman code (section 3.2.2): the number of words of
// each length, and the symbols in the order of their words.
type code struct {
	count   [16]int
	symbols []int
}

func newCode(lengths []int) (c code) {
	for n := 1; n <= 15; n++ {
		for s, l := range lengths {
			if l == n {
				c.count[n]++
				c.symbols = append(c.symbols, s)
			}
		}
	}
	return c
}

// symbol reads a word bit by bit. first is the first word of the current
// length, and index the start of the symbols of that length.
func (r *reader) symbol(c code) int {
	word, first, index := 0, 0, 0
	for n := 1; n <= 15; n++ {
		word |= r.bits(1)
		if r.err != nil {
			return 0
		}
		if word-first < c.count[n] {
			return c.symbols[index+word-first]
		}
		index += c.count[n]
		first = (first + c.count[n]) << 1
		word <<= 1
	}
	r.err = ErrCorrupt
	return 0
}

func fixedCodes() (litLen, distance code) {
	l := make([]int, 288)
	for i := range l {
		switch {
		case i < 144, i >= 280:
			l[i] = 8
		case i < 256:
			l[i] = 9
		default:
			l[i] = 7
		}
	}
	d := make([]int, 32)
	for i := range d {
		d[i] = 5
	}
	return newCode(l), newCode(d)
}

// lengthOrder is the order of the code length codes in a header (section
// 3.2.7).
var lengthOrder = [...]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

func (r *reader) dynamicCodes() (litLen, distance code) {
	nl, nd, nc := 257+r.bits(5), 1+r.bits(5), 4+r.bits(4)
	meta := make([]int, 19)
	for i := range nc {
		meta[lengthOrder[i]] = r.bits(3)
	}
	c := newCode(meta)
	var l []int
	for len(l) < nl+nd && r.err == nil {
		switch s := r.symbol(c); {
		case s < 16:
			l = append(l, s)
		case s == 16 && len(l) > 0:
			l = repeat(l, l[len(l)-1], 3+r.bits(2))
		case s == 17:
			l = repeat(l, 0, 3+r.bits(3))
		case s == 18:
			l = repeat(l, 0, 11+r.bits(7))
		default:
			r.err = ErrCorrupt
		}
	}
	if len(l) != nl+nd || l[256] == 0 {
		r.err = ErrCorrupt
		return code{}, code{}
	}
	return newCode(l[:nl]), newCode(l[nl:])
}

func repeat(l []int, v, n int) []int {
	for range n {
		l = append(l, v)
	}
	return l
}
