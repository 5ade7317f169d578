package inflate

import (
	"encoding/binary"
	"math/bits"
)

const (
	maxCodeLength = 15  // RFC 1951, section 3.2.7
	maxSymbols    = 288 // RFC 1951, section 3.2.6
)

// builder makes decoding tables from code lengths (RFC 1951, section 3.2.2). It
// is all scratch.
type builder struct {
	lens   [maxSymbols + 8]uint8
	count  [maxCodeLength + 1]uint16 // codes of each length
	inUse  [maxSymbols]uint16        // the symbols that have a code
	sorted [maxSymbols]uint16        // the same in the order of their codes
	used   int                       // how many there are

	table   []uint32
	index   uint     // index bits of the table
	symbols []uint32 // entries, without a length
}

// build makes the table of the code that gives symbol i a length of lens[i]
// bits, and reports whether there is such a code. It must be complete, or
// empty, or have a single symbol, of one bit.
func (t *builder) build(table []uint32, index uint, lens []uint8, symbols []uint32) bool {
	t.table, t.index, t.symbols = table, index, symbols
	clear(t.lens[copy(t.lens[:maxSymbols], lens):][:8])
	if complete := t.sort(len(lens)); !complete {
		return t.incomplete()
	}
	t.fill()
	return true
}

// sort finds the symbols in use and reports whether their codes are complete.
func (t *builder) sort(n int) bool {
	t.count = [maxCodeLength + 1]uint16{}
	used := uint(0)
	for i := 0; i < n; i += 8 {
		w := binary.LittleEndian.Uint64(t.lens[i:])
		for m := nonzero(w); m != 0 && used < maxSymbols; m &= m - 1 {
			shift := bits.TrailingZeros64(m) & 56
			t.inUse[used] = uint16(i + shift/8)
			t.count[w>>shift&maxCodeLength]++
			used++
		}
	}
	t.used = int(used)
	var offset [maxCodeLength + 1]uint16 // where the next symbol of each length goes
	sum, at := 0, uint16(0)
	for k, c := range t.count {
		offset[k] = at
		at += c
		sum += int(c) << (maxCodeLength - k)
	}
	for _, symbol := range t.inUse[:used] {
		k := t.lens[symbol] & maxCodeLength
		t.sorted[offset[k]] = symbol
		offset[k]++
	}
	return sum == 1<<maxCodeLength
}

// nonzero returns the top bit of each byte of w that is not zero. None is above
// 127.
func nonzero(w uint64) uint64 {
	return (w + 0x7f7f7f7f7f7f7f7f) & 0x8080808080808080
}

// incomplete serves the two incomplete codes that are allowed: no symbol at all,
// and one with the code 0.
func (t *builder) incomplete() bool {
	if t.used != 0 && (t.used != 1 || t.count[1] != 1) {
		return false
	}
	table := t.table[:1<<t.index]
	for i := range table {
		table[i] = isOther
		if t.used == 1 && i&1 == 0 {
			table[i] = withLength(t.symbols[t.sorted[0]], 1)
		}
	}
	return true
}

// fill enters the symbols. Codes are sent from their first bit on, so an index
// has them reversed. The table begins with one entry and doubles where the codes
// become longer.
func (t *builder) fill() {
	code := uint16(0)
	table, symbols, sorted := t.table[:1<<t.index], t.symbols, t.sorted[:t.used]
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
