package inflate

import (
	"bytes"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// completeCode returns the lengths of a complete code of n of the symbols, none
// above 15 bits. deep makes long codes frequent.
func completeCode(r *rand.Rand, symbols, n int, deep bool) []uint8 {
	leaves := []uint8{0}
	for len(leaves) < n {
		i := r.IntN(len(leaves))
		if deep && r.IntN(8) != 0 {
			i = len(leaves) - 1
		}
		if leaves[i] == maxCodeLength {
			continue
		}
		leaves[i]++
		leaves = append(leaves, leaves[i])
	}
	lens := make([]uint8, symbols)
	copy(lens, leaves)
	r.Shuffle(symbols, func(i, j int) { lens[i], lens[j] = lens[j], lens[i] })
	return lens
}

// alphabetOf adds the symbols, increased by first, to b. Some of those without
// a code are left out.
func alphabetOf(b *builder, lens []uint8, first int) *alphabet {
	a := new(alphabet)
	for symbol, length := range lens {
		if length != 0 || symbol%3 > 0 {
			b.link(a, first+symbol, uint32(length))
		}
	}
	return a
}

// TestBuild decodes each code of a table, the codes being made as RFC 1951,
// section 3.2.2, makes them.
func TestBuild(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var b builder
	table := make([]uint32, litSize)
	for round := range 3000 {
		symbols := []int{19, 30, 257, 286}[round/2%4]
		index := uint(litBits)
		if symbols <= 30 {
			index = distBits
		}
		lens := completeCode(r, symbols, 2+r.IntN(symbols-1), round%4 < 2)
		clear(table)
		room := litSize
		if index == distBits {
			room = distSize
		}
		width, ok := b.build(table[:room], index, alphabetOf(&b, lens, 7), 7, litSymbols[:])
		require.True(t, ok)

		code := 0
		for n := 1; n <= maxCodeLength; n++ {
			code <<= 1
			for symbol, length := range lens {
				if int(length) != n {
					continue
				}
				in := uint64(bits.Reverse16(uint16(code))>>(16-n)) | r.Uint64()<<n
				e := find(table, index, 1<<width-1, in)
				require.Equal(t, withLength(litSymbols[symbol], uint(n)), e)
				code++
			}
		}
		require.Equal(t, 1<<maxCodeLength, code)
	}
}

// mostEntries finds the most entries that a table with its subtables takes.
type mostEntries struct {
	index int
	known map[[4]int]int
}

// from returns the most entries that are added to a table by codes of n bits
// and more: open is how many codes of n bits are not taken by shorter ones,
// symbols how many symbols there are for them at most, and room how many of
// these codes lie in the last subtable so far, which has an index of n bits
// less those of the table. It is below 0 if there is no such code.
func (m *mostEntries) from(n, open, symbols, room int) int {
	const none = -1 << 30
	switch {
	case open > symbols:
		return none
	case open == 0:
		return 0
	case n > maxCodeLength:
		return none
	}
	key := [4]int{n, open, symbols, room}
	if most, ok := m.known[key]; ok {
		return most
	}
	most, size := none, 1<<(n-m.index)
	for c := max(0, 2*open-symbols); c <= open; c++ {
		// What does not fit into the last subtable begins others; one that is
		// not full with codes of n bits has twice the size, and so on.
		added, left := 0, room-c
		for ; left < 0; left += size {
			added += size
		}
		if left > 0 {
			added += size
		}
		most = max(most, added+m.from(n+1, 2*(open-c), symbols-c, 2*left))
	}
	m.known[key] = most
	return most
}

// The tables have room for the code that needs the most of it, and no more.
func TestMostEntries(t *testing.T) {
	for _, tt := range []struct{ symbols, index, size int }{{286, litBits, litSize}, {30, distBits, distSize}} {
		m := mostEntries{tt.index, make(map[[4]int]int)}
		most := 0
		for long := 0; long <= tt.symbols/2; long++ { // entries that lead to subtables
			short := bits.OnesCount(uint(1<<tt.index - long)) // the fewest symbols for the others
			most = max(most, 1<<tt.index+m.from(tt.index+1, 2*long, tt.symbols-short, 0))
		}
		require.Equal(t, tt.size, most, "%d symbols", tt.symbols)
	}
}

// The cost of a code follows its symbols and the longest of its codes, not the
// room for a table: no more than a table for that length is written.
func TestSmallCodeTouchesSmallTable(t *testing.T) {
	const untouched = 0xdeadbeef
	for _, tt := range []struct {
		name string
		lens []uint8
		size int
	}{
		{"no symbol", nil, 1},
		{"one symbol", []uint8{1}, 2},
		{"codes of one bit", []uint8{1, 1}, 2},
		{"codes of four bits", bytes.Repeat([]byte{4}, 16), 16},
		{"codes of three lengths", []uint8{1, 2, 3, 3}, 8},
		{"codes as long as the index", bytes.Repeat([]byte{distBits}, 256), 256},
		{"one subtable", append(bytes.Repeat([]byte{distBits}, 255), distBits+1, distBits+1), 258},
	} {
		table := make([]uint32, 1<<distBits+10)
		for i := range table {
			table[i] = untouched
		}
		var b builder
		width, ok := b.build(table, distBits, alphabetOf(&b, tt.lens, 0), 0, litSymbols[:])
		require.True(t, ok, tt.name)
		require.Equal(t, min(tt.size, 256), 1<<width, tt.name)
		for i, e := range table {
			require.Equal(t, i >= tt.size, e == untouched, "%s: entry %d", tt.name, i)
		}
	}
}
