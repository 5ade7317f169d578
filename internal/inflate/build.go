package inflate

import "math/bits"

const (
	maxCodeLength = 15       // RFC 1951, section 3.2.7
	maxSymbols    = 288      // RFC 1951, section 3.2.6
	maxLengths    = 288 + 32 // RFC 1951, section 3.2.6; at most 316 in section 3.2.7
)

// alphabet lists the symbols of a code by the length of their codes, 0 for no
// code. The builder links those of the same length.
type alphabet struct {
	// The number of symbols, shifted by 16 bits, and the last of them.
	ends [maxCodeLength + 1]uint32

	lengths uint32 // a bit for each length
}

// of returns the number of symbols with codes of n bits, and the last of them.
func (a *alphabet) of(n uint) (count uint, last uint32) {
	end := a.ends[n&maxCodeLength]
	return uint(end >> 16), end & 0xffff
}

// builder makes decoding tables from code lengths (RFC 1951, section 3.2.2). It
// is temporary memory. Its cost is proportional to the number of symbols with a
// code and to the size of the table for the longest code, not to the alphabet.
type builder struct {
	// The symbol before each one with a code of the same length, and above
	// these 12 bits, the length. Alphabets with different symbols share it.
	before [maxLengths]uint16

	lit, dist alphabet

	table   []uint32
	index   uint     // index bits of the table
	symbols []uint32 // entries, without a length
	first   uint32   // symbol

	// The symbols with codes longer than index, in the order of their codes,
	// and how many of them there are of each length.
	long  [maxSymbols]uint16
	count [maxCodeLength + 1]uint
}

// add adds the symbols to a that follow those added before: times symbols from
// k on, with codes of n bits.
func (t *builder) add(a *alphabet, k, times int, n uint32) {
	for ; times > 0; times-- {
		t.link(a, k, n)
		k++
	}
}

// link adds symbol k.
func (t *builder) link(a *alphabet, k int, n uint32) {
	last := a.ends[n&maxCodeLength]
	t.before[k] = uint16(last | n<<12)
	a.ends[n&maxCodeLength] = last&^0xffff + 1<<16 + uint32(k)
	a.lengths |= 1 << (n & maxCodeLength)
}

// length returns the length of the code of symbol k.
func (t *builder) length(k int) uint { return uint(t.before[k] >> 12) }

// build makes the table of a code and returns its number of index bits, which
// is the length of the longest code but at most index. The first entry of
// symbols is for symbol first of a. ok reports whether the code is valid: it
// must be complete, or empty, or have a single symbol of one bit.
func (t *builder) build(table []uint32, index uint, a *alphabet, first int, symbols []uint32) (width uint, ok bool) {
	var sum, used uint
	lengths := a.lengths &^ 1
	shortest, longest := uint(bits.TrailingZeros32(lengths)), uint(max(bits.Len32(lengths), 1)-1)
	for n := shortest; n <= longest; n++ {
		count, _ := a.of(n)
		used += count
		sum += count << (maxCodeLength - n)
	}
	t.table, t.symbols, t.first = table, symbols, uint32(first)
	t.index = min(longest, index)
	switch {
	case sum == 1<<maxCodeLength:
		t.fill(a, shortest, longest)
	case used == 0:
		table[0] = isOther
	case used == 1 && longest == 1:
		_, symbol := a.of(1)
		table[0] = withLength(symbols[symbol-t.first], 1)
		table[1] = isOther
	default:
		return 0, false
	}
	return t.index, true
}

// reversed has the values of litBits bits with their bits in reverse order.
var reversed = makeReversed()

func makeReversed() (t [1 << litBits]uint16) {
	for i := range t {
		t[i] = bits.Reverse16(uint16(i)) >> (16 - litBits)
	}
	return t
}

// fill fills the table. Codes are sent from their first bit on, so they are
// reversed in an index. The table begins with the shortest codes, and doubles
// when the codes become longer.
func (t *builder) fill(a *alphabet, shortest, longest uint) {
	code := uint(0) // of n bits, the first that is not in the table
	table, symbols, first, index := t.table[:1<<t.index], t.symbols, t.first, t.index
	for n := shortest; n <= index; n++ {
		if n > shortest {
			copy(table[1<<(n-1):], table[:1<<(n-1)])
		}
		count, symbol := a.of(n)
		code = code<<1 + count
		step := uint(1) << (litBits - n) // codes are at the top of litBits bits
		next := code * step
		for end := next - count*step; next != end; {
			next -= step
			table[reversed[next&(1<<litBits-1)]] = withLength(symbols[symbol-first], n)
			symbol = uint32(t.before[symbol]) & 0xfff
		}
	}
	if longest > index {
		t.fillSubtables(t.sort(a), uint16(code))
	}
}

// sort returns the symbols with codes longer than the index.
func (t *builder) sort(a *alphabet) []uint16 {
	end := uint(0)
	for n := t.index + 1; n <= maxCodeLength; n++ {
		count, symbol := a.of(n)
		t.count[n] = count
		end += count
		for i := end; count > 0; count-- {
			i--
			t.long[i] = uint16(symbol)
			symbol = uint32(t.before[symbol]) & 0xfff
		}
	}
	return t.long[:end]
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
			sub[i] = withLength(t.symbols[uint32(symbol)-t.first], n)
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
