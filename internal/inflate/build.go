package inflate

import "math/bits"

const (
	maxCodeLength = 15       // RFC 1951, section 3.2.7
	maxSymbols    = 288      // RFC 1951, section 3.2.6
	maxLengths    = 286 + 30 // RFC 1951, section 3.2.7: HLIT and HDIST
)

// A run is a range of adjacent symbols with codes of the same length.
type run uint32

func makeRun(symbol, times int, length uint8) run {
	return run(symbol<<16) | run(times<<4) | run(length)
}

func (r run) symbol() int  { return int(r >> 16) } // the first
func (r run) times() int   { return int(r >> 4 & 0xfff) }
func (r run) length() uint { return uint(r & maxCodeLength) }
func (r run) end() int     { return r.symbol() + r.times() }

// longer returns r extended by more symbols.
func (r run) longer(times int) run { return r + run(times<<4) }

// builder makes decoding tables from code lengths (RFC 1951, section 3.2.2). It
// is temporary memory. Its cost is proportional to the number of symbols with a
// code and to the size of the table for the longest code, not to the alphabet.
type builder struct {
	count    [maxCodeLength + 1]uint16 // codes of each length
	sorted   [maxSymbols]uint16        // symbols in the order of their codes
	used     int                       // number of sorted symbols
	shortest uint                      // code
	longest  uint

	table   []uint32
	index   uint     // index bits of the table
	symbols []uint32 // entries, without a length
}

// build makes the table of a code and returns its number of index bits, which
// is the length of the longest code but at most index. runs are the symbols
// with a code in ascending order, each increased by first. ok reports whether
// the code is valid: it must be complete, or empty, or have a single symbol of
// one bit.
func (t *builder) build(table []uint32, index uint, runs []run, first int, symbols []uint32) (width uint, ok bool) {
	t.table, t.symbols = table, symbols
	complete := t.sort(runs, first)
	t.index = min(t.longest, index)
	switch {
	case complete:
		t.fill()
	case t.used == 0:
		table[0] = isOther
	case t.used == 1 && t.longest == 1:
		table[0] = withLength(symbols[t.sorted[0]], 1)
		table[1] = isOther
	default:
		return 0, false
	}
	return t.index, true
}

// sort sorts the symbols by their codes and reports whether the code is
// complete.
func (t *builder) sort(runs []run, first int) (complete bool) {
	t.count = [maxCodeLength + 1]uint16{}
	lengths := uint(0) // a bit for each length
	for _, r := range runs {
		t.count[r.length()] += uint16(r.times())
		lengths |= 1 << r.length()
	}
	t.shortest, t.longest = uint(bits.TrailingZeros(lengths)), uint(max(bits.Len(lengths)-1, 0))
	var offset [maxCodeLength + 1]uint16 // index of the next symbol of each length
	sum, at := 0, uint16(0)
	for k := t.shortest; k <= t.longest; k++ {
		c := t.count[k&maxCodeLength]
		offset[k&maxCodeLength] = at
		at += c
		sum += int(c) << (maxCodeLength - k)
	}
	t.used = int(at)
	for _, r := range runs {
		k, symbol, times := r.length(), uint16(r.symbol()-first), uint16(r.times())
		at := offset[k]
		offset[k] = at + times
		t.sorted[at] = symbol
		for i := uint16(1); i < times; i++ {
			t.sorted[at+i] = symbol + i
		}
	}
	return sum == 1<<maxCodeLength
}

// fill fills the table. Codes are sent from their first bit on, so they are
// reversed in an index. The table begins with the shortest codes, and doubles
// when the codes become longer.
func (t *builder) fill() {
	code := uint16(0)
	table, symbols, sorted := t.table[:1<<t.index], t.symbols, t.sorted[:t.used]
	for n := t.shortest; n <= t.index; n++ {
		if n > t.shortest {
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

// fillSubtables fills the subtables for codes that are longer than the index.
// The first one follows code.
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

// subtableBits returns the index bits of the subtable that begins with a code
// of n bits. count has the remaining codes.
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
