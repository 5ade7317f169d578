package inflate

import "math/bits"

const (
	maxCodeLength = 15       // RFC 1951, section 3.2.7
	maxSymbols    = 288      // RFC 1951, section 3.2.6
	maxLengths    = 286 + 30 // RFC 1951, section 3.2.7: HLIT and HDIST
)

// A symbolLength is a symbol that has a code, and the length of that code.
type symbolLength uint16

func makeSymbolLength(symbol int, length uint8) symbolLength {
	return symbolLength(symbol<<4) | symbolLength(length)
}

func (s symbolLength) symbol() int  { return int(s >> 4) }
func (s symbolLength) length() uint { return uint(s & maxCodeLength) }

// builder makes decoding tables from code lengths (RFC 1951, section 3.2.2). It
// is all scratch. What it does is in proportion to the symbols that have a code
// and to the table for the longest of these codes, not to the alphabet.
type builder struct {
	count  [maxCodeLength + 1]uint16 // codes of each length
	sorted [maxSymbols]uint16        // symbols in the order of their codes

	table   []uint32
	index   uint     // index bits of the table
	symbols []uint32 // entries, without a length
}

// build makes the table of a code and returns its index bits, which are those of
// the longest code and at most index. used has the symbols that have a code, in
// ascending order, each with first added to it. ok reports whether there is such
// a code: it must be complete, or empty, or have a single symbol, of one bit.
func (t *builder) build(table []uint32, index uint, used []symbolLength, first int, symbols []uint32) (width uint, ok bool) {
	t.table, t.symbols = table, symbols
	longest, complete := t.sort(used, first)
	t.index = min(longest, index)
	switch {
	case complete:
		t.fill(t.sorted[:len(used)])
	case len(used) == 0:
		table[0] = isOther
	case len(used) == 1 && longest == 1:
		table[0] = withLength(symbols[t.sorted[0]], 1)
		table[1] = isOther
	default:
		return 0, false
	}
	return t.index, true
}

// sort sorts the symbols by their codes. It returns the length of the longest
// code and whether the codes are complete.
func (t *builder) sort(used []symbolLength, first int) (longest uint, complete bool) {
	t.count = [maxCodeLength + 1]uint16{}
	for _, s := range used {
		t.count[s.length()]++
	}
	var offset [maxCodeLength + 1]uint16 // where the next symbol of each length goes
	sum, at := 0, uint16(0)
	for k := uint(1); k <= maxCodeLength && int(at) < len(used); k++ {
		c := t.count[k]
		offset[k] = at
		at += c
		sum += int(c) << (maxCodeLength - k)
		longest = k
	}
	for _, s := range used {
		k := s.length()
		t.sorted[offset[k]] = uint16(s.symbol() - first)
		offset[k]++
	}
	return longest, sum == 1<<maxCodeLength
}

// fill enters the symbols. Codes are sent from their first bit on, so an index
// has them reversed. The table begins with one entry and doubles where the codes
// become longer.
func (t *builder) fill(sorted []uint16) {
	code := uint16(0)
	table, symbols := t.table[:1<<t.index], t.symbols
	for n := uint(1); n <= t.index; n++ {
		if n > 1 {
			copy(table[1<<(n-1):], table[:1<<(n-1)])
		}
		code <<= 1
		k := int(t.count[n])
		for _, symbol := range sorted[:k] {
			table[bits.Reverse16(code)>>(16-n)] = withLength(symbols[symbol], n)
			code++
		}
		sorted = sorted[k:]
	}
	if len(sorted) > 0 {
		t.fillSubtables(sorted, code)
	}
}

// fillSubtables enters the symbols whose codes are longer than the index. The
// first follows code.
func (t *builder) fillSubtables(sorted []uint16, code uint16) {
	next, sub, prefix := 1<<t.index, []uint32(nil), -1
	n := t.index
	for _, symbol := range sorted {
		for n == t.index || t.count[n] == 0 {
			n++
			code <<= 1
		}
		i := int(bits.Reverse16(code) >> (16 - n))
		if p := i & (1<<t.index - 1); p != prefix {
			prefix = p
			width := t.subtableBits(n)
			t.table[p] = isOther | isSubtable | uint32(next)<<16 | uint32(width)<<8 | uint32(t.index)
			sub = t.table[next : next+1<<width]
			next += 1 << width
		}
		for i >>= t.index; i < len(sub); i += 1 << (n - t.index) {
			sub[i] = withLength(t.symbols[symbol], n)
		}
		t.count[n]--
		code++
	}
}

// subtableBits returns the index bits of the subtable that begins with a code of
// n bits. count has the codes still to come.
func (t *builder) subtableBits(n uint) uint {
	room := 1 << (n - t.index)
	for ; n < maxCodeLength; n++ {
		room -= int(t.count[n])
		if room <= 0 {
			break
		}
		room *= 2
	}
	return n - t.index
}
