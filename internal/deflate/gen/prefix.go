package main

import (
	"math/bits"
	"slices"
)

const (
	numLitLen   = 286
	numDistance = 30
	endOfBlock  = 256

	// maxLength limits the code words, so that the encoder can write several at
	// once.
	maxLength = 13
)

// A prefix is a pair of Huffman codes, given by the lengths of their words.
type prefix struct {
	litLen   [numLitLen]uint8
	distance [numDistance]uint8

	headerBits int
	note       string
}

func lengthSymbol(length int) int {
	n := uint(length - 3)
	switch {
	case n == 255:
		return 285
	case n < 8:
		return 257 + int(n)
	}
	extra := bits.Len(n) - 3
	return 257 + extra*4 + int(n>>extra)
}

func distanceSymbol(distance int) int {
	n := uint(distance - 1)
	if n < 4 {
		return int(n)
	}
	extra := bits.Len(n) - 2
	return extra*2 + int(n>>extra)
}

// covers reports whether every symbol in h has a word.
func (c *prefix) covers(h *histogram) bool {
	for s, n := range h.litLen {
		if n > 0 && c.litLen[s] == 0 {
			return false
		}
	}
	for s, n := range h.distance {
		if n > 0 && c.distance[s] == 0 {
			return false
		}
	}
	return true
}

// size returns the number of bits of the words of h, without the header and
// without extra bits, which are the same for every code.
func (c *prefix) size(h *histogram) (size int) {
	for s, n := range h.litLen {
		size += n * int(c.litLen[s])
	}
	for s, n := range h.distance {
		size += n * int(c.distance[s])
	}
	return size
}

// huffman sets lengths to those of a complete code for counts in which no word
// is longer than limit. 0 means no word. It builds a tree, and raises the small
// counts until the tree is flat enough.
func huffman(lengths []uint8, counts []int, limit int) {
	for floor := 1; !tree(lengths, counts, floor, limit); floor *= 2 {
	}
}

// tree builds the tree with counts raised to floor, and reports whether no word
// is longer than limit. It uses two queues: leaves in ascending order, and
// inner nodes. Each step joins the two smallest heads.
func tree(lengths []uint8, counts []int, floor, limit int) bool {
	var leaves []int
	clear(lengths)
	for s, n := range counts {
		if n > 0 {
			leaves = append(leaves, s)
		}
	}
	if len(leaves) == 1 {
		lengths[leaves[0]] = 1
		return true
	}
	slices.SortStableFunc(leaves, func(a, b int) int { return max(counts[a], floor) - max(counts[b], floor) })
	n := len(leaves)
	weight, parent := make([]int, n, 2*n), make([]int, 2*n)
	for i, s := range leaves {
		weight[i] = max(counts[s], floor)
	}
	leaf, node := 0, n
	for len(weight) < 2*n-1 {
		joined := 0
		for range 2 {
			next := &node
			if leaf < n && (node == len(weight) || weight[leaf] <= weight[node]) {
				next = &leaf
			}
			joined += weight[*next]
			parent[*next] = len(weight)
			*next++
		}
		weight = append(weight, joined)
	}
	depth := make([]int, 2*n)
	for i := 2*n - 3; i >= 0; i-- {
		if depth[i] = depth[parent[i]] + 1; i < n {
			if depth[i] > limit {
				return false
			}
			lengths[leaves[i]] = uint8(depth[i])
		}
	}
	return true
}

// A bitString is filled from the low bit on.
type bitString struct {
	data []byte
	n    int
}

func (b *bitString) add(v, n int) {
	for i := range n {
		if b.n%8 == 0 {
			b.data = append(b.data, 0)
		}
		b.data[b.n/8] |= byte(v>>i&1) << (b.n % 8)
		b.n++
	}
}

// A step is one symbol of a header's code lengths (RFC 1951, section 3.2.7).
type step struct{ symbol, extra, extraBits int }

// steps returns the shortest sequence of steps that describes the lengths, if
// symbol s costs cost[s] bits.
func steps(lengths []uint8, cost []int) (row []step) {
	type best struct {
		bits int
		last step
		from int
	}
	table := make([]best, len(lengths)+1)
	for i := range table[1:] {
		table[i+1].bits = 1 << 30
	}
	for i := range lengths {
		try := func(n int, s step) {
			if b := table[i].bits + cost[s.symbol] + s.extraBits; b < table[i+n].bits {
				table[i+n] = best{b, s, i}
			}
		}
		try(1, step{symbol: int(lengths[i])})
		run := 1
		for i+run < len(lengths) && lengths[i+run] == lengths[i] {
			run++
		}
		if i > 0 && lengths[i] == lengths[i-1] {
			for n := 3; n <= min(run, 6); n++ {
				try(n, step{16, n - 3, 2})
			}
		}
		if lengths[i] == 0 {
			for n := 3; n <= min(run, 10); n++ {
				try(n, step{17, n - 3, 3})
			}
			for n := 11; n <= min(run, 138); n++ {
				try(n, step{18, n - 11, 7})
			}
		}
	}
	for i := len(lengths); i > 0; i = table[i].from {
		row = append(row, table[i].last)
	}
	slices.Reverse(row)
	return row
}

// header returns the header of a block with this code, beginning with BFINAL.
func (c *prefix) header() (b bitString) {
	lengths := slices.Concat(c.litLen[:], c.distance[:])
	meta := make([]uint8, 19)
	cost := []int{4, 6, 6, 6, 6, 5, 4, 4, 4, 4, 4, 4, 4, 5, 6, 6, 3, 4, 4}
	var row []step
	for range 4 {
		row = steps(lengths, cost)
		counts := make([]int, 19)
		for _, s := range row {
			counts[s.symbol]++
		}
		huffman(meta, counts, 7)
		for s, n := range meta {
			if cost[s] = int(n); n == 0 {
				cost[s] = 8
			}
		}
	}
	order := [...]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	sent := 19
	for meta[order[sent-1]] == 0 {
		sent--
	}
	b.add(0b100, 3)
	b.add(numLitLen-257, 5)
	b.add(numDistance-1, 5)
	b.add(sent-4, 4)
	for _, s := range order[:sent] {
		b.add(int(meta[s]), 3)
	}
	words := canonical(meta)
	for _, s := range row {
		b.add(words[s.symbol], int(meta[s.symbol]))
		b.add(s.extra, s.extraBits)
	}
	return b
}

// canonical returns the words of the code with these lengths, first bit lowest
// (section 3.2.2).
func canonical(lengths []uint8) []int {
	words := make([]int, len(lengths))
	next := 0
	for n := uint8(1); n <= 15; n++ {
		next <<= 1
		for s, l := range lengths {
			if l == n {
				words[s] = int(bits.Reverse16(uint16(next)) >> (16 - n))
				next++
			}
		}
	}
	return words
}
