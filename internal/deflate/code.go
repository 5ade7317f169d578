package deflate

import "math/bits"

// The alphabets of RFC 1951, section 3.2.5.
const (
	endOfBlock   = 256
	firstLength  = 257
	numLitLen    = 286
	numDistances = 30
)

// maxWord is the length of the longest word of a code.
const maxWord = 13

// An entry encodes the output for an item: the low 6 bits are the number of
// bits, the next 6 the position of the item's extra bits, and the rest the
// bits. 0 means that there is no word. Shifts use only 6 bits of their count,
// so the fields need no masks there.
type entry uint32

const entryWord = 12 // position of the bits

func makeEntry(word uint32, n, extra uint8) entry {
	return entry(word<<entryWord | uint32(n)<<6 | uint32(n+extra))
}

func (e entry) size() int { return int(e & 63) }

// A code is a pair of Huffman codes in a form for writing.
type code struct {
	header     string // of the block: BFINAL 0, BTYPE, and the code lengths if they are not fixed
	headerBits int
	entries    [numItems]entry
	end        entry
}

// codes are the fixed code (section 3.2.6) and those of tables.go.
var codes = makeCodes()

func makeCodes() (all [numCodes]code) {
	litLen, distance := fixedLengths()
	all[0].header, all[0].headerBits = "\x02", 3
	all[0].fill(litLen, distance)
	for i, p := range prepared {
		c := &all[i+1]
		c.header, c.headerBits = p.header, p.headerBits
		c.fill(p.litLen, p.distance)
	}
	return all
}

// fixedLengths returns the code lengths of section 3.2.6.
func fixedLengths() (litLen, distance string) {
	l := make([]byte, numLitLen+2)
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
	d := make([]byte, numDistances+2)
	for i := range d {
		d[i] = 5
	}
	return string(l), string(d)
}

// fill sets the entries of c from the lengths of its words, one byte each.
func (c *code) fill(litLen, distance string) {
	l := words(litLen)
	for b := range 256 {
		c.entries[b] = makeEntry(l[b], litLen[b], 0)
	}
	c.end = makeEntry(l[endOfBlock], litLen[endOfBlock], 0)
	for length := 3; length <= maxMatch; length++ {
		symbol, extra := lengthSymbol(length)
		if n := litLen[firstLength+symbol]; n > 0 {
			low := uint32(length-3-lengthBase[symbol]) << n
			c.entries[lengthItem+length-3] = makeEntry(l[firstLength+symbol]|low, n+extra, 0)
		}
	}
	d := words(distance)
	for s := range numDistances {
		if n := distance[s]; n > 0 {
			c.entries[distanceItem+s] = makeEntry(d[s], n, uint8(max(0, s/2-1)))
		}
	}
}

// words returns the words of the canonical code of these lengths, first bit
// lowest (section 3.2.2).
func words(lengths string) []uint32 {
	var count, next [16]uint16
	for i := range len(lengths) {
		count[lengths[i]]++
	}
	count[0] = 0
	for n := 1; n < len(next); n++ {
		next[n] = (next[n-1] + count[n-1]) << 1
	}
	all := make([]uint32, len(lengths))
	for i := range all {
		if n := lengths[i]; n > 0 {
			all[i] = uint32(bits.Reverse16(next[n]) >> (16 - n))
			next[n]++
		}
	}
	return all
}

// lengthBase is the shortest length minus 3, by length symbol minus 257.
var lengthBase = [...]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28,
	32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 255}

// lengthSymbol returns the symbol of a length, minus 257, and its number of
// extra bits.
func lengthSymbol(length int) (symbol int, extra uint8) {
	n := length - 3
	switch {
	case n == 255:
		return 28, 0
	case n < 8:
		return n, 0
	}
	extra = uint8(bits.Len(uint(n)) - 3)
	return int(extra)*4 + n>>extra, extra
}

// distanceSymbol returns the symbol of a distance and its number of extra bits.
func distanceSymbol(distance int) (symbol int, extra uint8) {
	n := uint(distance - 1)
	if n < 4 {
		return int(n), 0
	}
	extra = uint8(bits.Len(n) - 2)
	return int(uint(extra)*2 + n>>extra), extra
}
