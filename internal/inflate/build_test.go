package inflate

import (
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

// TestBuild decodes each code of a table, the codes being made as RFC 1951,
// section 3.2.2, makes them.
func TestBuild(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var b builder
	table := make([]uint32, litSize)
	for round := range 3000 {
		symbols := []int{19, 30, 32, 257, 286, 288}[round%6]
		index := uint(litBits)
		if symbols <= 32 {
			index = distBits
		}
		lens := completeCode(r, symbols, 2+r.IntN(symbols-1), round%4 < 2)
		clear(table)
		room := litSize
		if index == distBits {
			room = distSize
		}
		require.True(t, b.build(table[:room], index, lens, litSymbols[:]))

		code := 0
		for n := 1; n <= maxCodeLength; n++ {
			code <<= 1
			for symbol, length := range lens {
				if int(length) != n {
					continue
				}
				in := uint64(bits.Reverse16(uint16(code))>>(16-n)) | r.Uint64()<<n
				e := find(table, index, in)
				require.Equal(t, withLength(litSymbols[symbol], uint(n)), e)
				code++
			}
		}
		require.Equal(t, 1<<maxCodeLength, code)
	}
}

// The room for subtables is enough for the code that needs the most of it.
func TestBuildMostSubtables(t *testing.T) {
	for _, test := range []struct {
		symbols int
		index   uint
		size    int
	}{{288, litBits, litSize}, {32, distBits, distSize}} {
		// As many prefixes as can be have a subtable with a code of each length
		// and two of the greatest.
		var lens []uint8
		per := int(maxCodeLength-test.index) + 1
		for range (test.symbols - 20) / per {
			for n := test.index + 1; n <= maxCodeLength; n++ {
				lens = append(lens, uint8(n))
			}
			lens = append(lens, maxCodeLength)
		}
		for free := 1<<test.index - len(lens)/per; free > 0; {
			n := bits.Len(uint(free)) - 1
			lens = append(lens, uint8(int(test.index)-n))
			free -= 1 << n
		}
		require.LessOrEqual(t, len(lens), test.symbols)
		var b builder
		require.True(t, b.build(make([]uint32, test.size), test.index, lens, litSymbols[:]))
	}
}
