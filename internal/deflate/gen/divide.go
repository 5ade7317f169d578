package main

import (
	"fmt"
	"log"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// divide returns a code for each of n groups of samples. Like k-means, it
// assigns each sample to its best code, and computes each code again for its
// samples. It adds groups one by one, each for the class of samples with the
// largest loss under the current codes.
func divide(all []sample, n int) []prefix {
	fixed := fixedSizes(all)
	sizes := slices.Clone(fixed)
	member := make([]int, len(all))
	ideal := idealSizes(all)
	var codes []prefix
	for len(codes) < n {
		worst := mostLost(all, sizes, ideal)
		for i := range all {
			if all[i].class == worst {
				member[i] = len(codes)
			}
		}
		rounds := 3
		if len(codes) == n-1 {
			rounds = 12
		}
		codes = append(codes, prefix{})
		for range rounds {
			for g := range codes {
				codes[g] = fit(all, member, g, 400, codes[g])
			}
			assign(all, member, sizes, codes, fixed)
		}
		log.Printf("%d codes: %d bytes, after %s (fixed: %d, one code each: %d)", len(codes), sum(sizes)/8, worst, sum(fixed)/8, sum(ideal)/8)
	}
	for g := range codes {
		codes[g] = fit(all, member, g, 8000, codes[g])
	}
	assign(all, member, sizes, codes, fixed)
	for g := range codes {
		codes[g].note = describe(all, member, g)
		log.Printf("%d header bits: %s", codes[g].headerBits, codes[g].note)
	}
	log.Printf("end: %d bytes", sum(sizes)/8)
	return codes
}

// mostLost returns the class of samples that would gain most from a code of its
// own.
func mostLost(all []sample, sizes, ideal []int) (worst string) {
	lost := make(map[string]int)
	for i := range all {
		lost[all[i].class] += all[i].weight * (sizes[i] - ideal[i])
	}
	for _, class := range slices.Sorted(maps.Keys(lost)) {
		if worst == "" || lost[class] > lost[worst] {
			worst = class
		}
	}
	return worst
}

// idealSizes returns the size of each sample with the code of its class.
func idealSizes(all []sample) []int {
	number := make(map[string]int)
	member := make([]int, len(all))
	for i := range all {
		if _, ok := number[all[i].class]; !ok {
			number[all[i].class] = len(number)
		}
		member[i] = number[all[i].class]
	}
	codes := make([]prefix, len(number))
	for g := range codes {
		codes[g] = fit(all, member, g, 300, prefix{})
	}
	sizes := make([]int, len(all))
	for i := range all {
		sizes[i] = codes[member[i]].headerBits + codes[member[i]].size(&all[i].histogram)
	}
	return sizes
}

func sum(of []int) (n int) {
	for _, v := range of {
		n += v
	}
	return n
}

func fixedSizes(all []sample) []int {
	var fixed prefix
	for i := range fixed.litLen {
		switch {
		case i < 144:
			fixed.litLen[i] = 8
		case i < 256:
			fixed.litLen[i] = 9
		case i < 280:
			fixed.litLen[i] = 7
		default:
			fixed.litLen[i] = 8
		}
	}
	for i := range fixed.distance {
		fixed.distance[i] = 5
	}
	sizes := make([]int, len(all))
	for i := range all {
		sizes[i] = 3 + fixed.size(&all[i].histogram)
	}
	return sizes
}

// assign finds the best code for each sample, -1 for the fixed code, and its
// size.
func assign(all []sample, member, sizes []int, codes []prefix, fixed []int) {
	for i := range all {
		sizes[i], member[i] = fixed[i], -1
		for g := range codes {
			if n := codes[g].headerBits + codes[g].size(&all[i].histogram); n < sizes[i] && codes[g].covers(&all[i].histogram) {
				sizes[i], member[i] = n, g
			}
		}
	}
}

// fit returns a code for the samples of a group, or was if there are none.
// Equal word lengths of neighboring symbols shorten the header, so it tries
// tries ranges of symbols and keeps changes that reduce the sum.
func fit(all []sample, member []int, group, tries int, was prefix) prefix {
	var total histogram
	members := 0
	for i := range all {
		if member[i] == group {
			total.add(&all[i].histogram, all[i].weight)
			members += all[i].weight
		}
	}
	if members == 0 {
		return was
	}
	cost := func(h *histogram) (c prefix, bits int) {
		huffman(c.litLen[:], h.litLen[:], maxLength)
		huffman(c.distance[:], h.distance[:], maxLength)
		c.headerBits = c.header().n
		return c, members*c.headerBits + c.size(&total)
	}
	smooth := total
	smooth.cover()
	best, least := cost(&smooth)
	random := rand.New(rand.NewPCG(uint64(group), uint64(tries)))
	for range tries {
		next := smooth
		level(random, &next)
		if c, bits := cost(&next); bits < least {
			best, least, smooth = c, bits, next
		}
	}
	return best
}

func (h *histogram) add(o *histogram, weight int) {
	for i := range h.litLen {
		h.litLen[i] += weight * o.litLen[i]
	}
	for i := range h.distance {
		h.distance[i] += weight * o.distance[i]
	}
}

// cover gives a word to all lengths and distances, and to all bytes, or only to
// ASCII text if h has no other bytes.
func (h *histogram) cover() {
	foreign := false
	for b := range 256 {
		foreign = foreign || (!plain(b) && h.litLen[b] > 0)
	}
	for s := range h.litLen {
		if s >= 256 || foreign || plain(s) {
			h.litLen[s] = max(h.litLen[s], 1)
		}
	}
	for s := range h.distance {
		h.distance[s] = max(h.distance[s], 1)
	}
}

func plain(b int) bool { return b >= ' ' && b < 0x7f || b == '\t' || b == '\n' || b == '\r' }

// level makes the counts of a few neighbors equal, or copies the count of a
// neighbor.
func level(random *rand.Rand, h *histogram) {
	counts := h.litLen[:]
	if random.IntN(6) == 0 {
		counts = h.distance[:]
	}
	from := random.IntN(len(counts))
	to := min(len(counts), from+2+random.IntN(10))
	total, n := 0, 0
	for _, c := range counts[from:to] {
		if c > 0 {
			total, n = total+c, n+1
		}
	}
	for i := from; i < to; i++ {
		if counts[i] > 0 {
			counts[i] = max(1, total/n)
		}
	}
}

// describe lists the kinds of samples in a group.
func describe(all []sample, member []int, group int) string {
	counts := make(map[string]int)
	for i := range all {
		if member[i] == group {
			counts[all[i].kind]++
		}
	}
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	return fmt.Sprint(strings.Join(names[:min(5, len(names))], ", "))
}
