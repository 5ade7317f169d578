package inflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"slices"
	"testing"

	kflate "github.com/klauspost/compress/flate"
)

// smallest appends a dynamic block without content whose codes all have n bits:
// the smallest descriptions that there are. variant picks the symbols.
func smallest(w *bitWriter, n, variant int) *bitWriter {
	codes := map[int]uint64{0: 0, n: 1, 16: 2, 18: 3} // of two bits each
	put := func(s int) { w.code(codes[s], 2) }
	clen := 1 + slices.Index(codeLengthOrder[:], uint8(n))
	w.bits(0, 1).bits(2, 2).bits(0, 5).bits(0, 5).bits(uint64(clen-4), 4)
	for _, s := range codeLengthOrder[:clen] {
		if _, ok := codes[int(s)]; ok {
			w.bits(2, 3)
		} else {
			w.bits(0, 3)
		}
	}
	zeros := func(k int) {
		for k > 0 {
			m := min(k, 138)
			if m < 11 {
				put(0)
				k--
				continue
			}
			if k-m > 0 && k-m < 11 {
				m -= 11
			}
			put(18)
			w.bits(uint64(m-11), 7)
			k -= m
		}
	}
	symbols := 1<<n - 1 // literals, in one run; the end of block is the last
	if n == 1 {
		symbols = 1
	}
	lead := 20 + variant
	zeros(lead)
	put(n)
	for k := symbols - 1; k > 0; {
		m := min(k, 6)
		if m < 3 {
			put(n)
			k--
			continue
		}
		if k-m > 0 && k-m < 3 {
			m -= 3
		}
		put(16)
		w.bits(uint64(m-3), 2)
		k -= m
	}
	zeros(256 - lead - symbols)
	put(n) // end of block
	put(0) // no distances
	return w.code(uint64(1<<n-1), uint(n))
}

// BenchmarkHeaders inflates what makes the most work for its bytes: a new code
// for each block. Of 40 codes none is at hand.
func BenchmarkHeaders(b *testing.B) {
	var all []struct {
		name     string
		payloads [][]byte
	}
	add := func(name string, p [][]byte) {
		all = append(all, struct {
			name     string
			payloads [][]byte
		}{name, p})
	}
	for _, n := range []int{1, 2, 3, 4, 5, 6} {
		var one [][]byte
		blocks := new(bitWriter)
		for v := range 40 {
			one = append(one, smallest(new(bitWriter), n, v).bits(0, 3).p)
			smallest(blocks, n, v)
		}
		add(fmt.Sprintf("smallest/lengths=%d/messages", n), one)
		add(fmt.Sprintf("smallest/lengths=%d/blocks", n), [][]byte{blocks.bits(0, 3).p})
	}
	for _, size := range []int{128, 512, 4096} {
		k, err := kflate.NewWriter(nil, 6)
		if err != nil {
			b.Fatal(err)
		}
		add(fmt.Sprintf("json/%d", size), payloads(k, ticks(3, 40, size), false))
		add(fmt.Sprintf("text/%d", size), payloads(k, prose(3, 40, size), false))
		add(fmt.Sprintf("huffman-only/%d", size), payloads(stdWriter(-2), ticks(3, 40, size), false))
	}
	for _, data := range all {
		size := 0
		for _, p := range data.payloads {
			size += len(p)
		}
		b.Run(data.name, func(b *testing.B) {
			dst := make([]byte, 0, 1<<16)
			var d Decoder
			for b.Loop() {
				for _, p := range data.payloads {
					if _, err := d.Append(dst, p, true, -1); err != nil {
						b.Fatal(err)
					}
				}
			}
			ns := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			b.ReportMetric(ns/float64(size), "ns/byte")
			b.ReportMetric(ns/float64(len(data.payloads)), "ns/message")
		})
		for _, p := range data.payloads {
			want, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(p), bytes.NewReader(append(tail[:], 1, 0, 0, 0xff, 0xff)))))
			var d Decoder
			got, err2 := d.Append(nil, p, true, -1)
			if err != nil || err2 != nil || !bytes.Equal(want, got) {
				b.Fatal(err, err2)
			}
		}
	}
}
