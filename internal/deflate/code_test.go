package deflate

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/deflate/walk"
)

// Every word of every code is written and read back.
func TestEveryWord(t *testing.T) {
	for i := range codes {
		c := &codes[i]
		var items []item
		var want []walk.Symbol
		for b := range 256 {
			if c.entries[b] != 0 {
				items = append(items, item(b))
				want = append(want, walk.Symbol{Literal: byte(b)})
			}
		}
		for length := 3; length <= maxMatch; length++ {
			f := finder{items: make([]item, 2)}
			distance := 1 + (length*131)&(1<<15-1)
			f.putMatch(max(length, minMatch), distance)
			items = append(items, f.items...)
			want = append(want, walk.Symbol{Length: max(length, minMatch), Distance: distance})
		}
		for distance := 1; distance <= 1<<15; distance += 1 + distance/50 {
			f := finder{items: make([]item, 2)}
			f.putMatch(258, distance)
			items = append(items, f.items...)
			want = append(want, walk.Symbol{Length: 258, Distance: distance})
		}
		out := make([]byte, 8*len(items)+200)
		size := c.put(out, items)
		sizes, lacking := weigh(items)
		require.Zero(t, lacking>>i&1)
		require.Equal(t, size, sizes[i]+c.headerBits+c.end.size(), "weighed and written")
		blocks, err := walk.Blocks(append(out[:(size+syncBits+7)/8], Tail...))
		require.NoError(t, err)
		require.Len(t, blocks, 2)
		require.Equal(t, c.headerBits, blocks[0].Header)
		require.Equal(t, want, blocks[0].Symbols)
	}
}

// A code that lacks a word is never chosen.
func TestLackingWords(t *testing.T) {
	lacks := 0
	for b := range 256 {
		items := make([]item, 1000)
		for i := range items {
			items[i] = '1'
		}
		items[rand.IntN(len(items))] = item(b)
		c, size := best(items)
		require.NotZero(t, c.entries[b], "byte %d", b)
		require.Equal(t, size, c.put(make([]byte, 8<<10), items))
		for i := range codes {
			if codes[i].entries[b] == 0 {
				lacks++
			}
		}
	}
	require.NotZero(t, lacks, "nothing to test")
}

func TestSymbols(t *testing.T) {
	for length := 3; length <= maxMatch; length++ {
		symbol, extra := lengthSymbol(length)
		low := lengthBase[symbol] + 3
		require.GreaterOrEqual(t, length, low)
		require.Less(t, length, low+1<<extra)
	}
	previous := -1
	for distance := 1; distance <= 1<<15; distance++ {
		symbol, extra := distanceSymbol(distance)
		require.Less(t, symbol, numDistances)
		require.Equal(t, max(0, symbol/2-1), int(extra))
		require.GreaterOrEqual(t, symbol, previous)
		previous = symbol
	}
}

// The lanes hold what a batch of the heaviest items adds up to.
func TestLanes(t *testing.T) {
	items := make([]item, 10*batch+7)
	heaviest := 0
	for s := range numDistances {
		items[0] = item(distanceItem + s)
		for k := range items {
			items[k] = items[0]
		}
		sizes, _ := weigh(items)
		for i := range codes {
			require.Equal(t, len(items)*codes[i].entries[distanceItem+s].size(), sizes[i])
			heaviest = max(heaviest, codes[i].entries[distanceItem+s].size())
		}
	}
	require.LessOrEqual(t, heaviest*batch, laneMask)
}
