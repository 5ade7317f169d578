package mask

import (
	"fmt"
	"testing"
)

// BenchmarkMask has a row for each function and each kernel, and as the limit a
// copy of the same size. Skewed buffers begin three bytes after the start of a
// cache line.
func BenchmarkMask(b *testing.B) {
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	for _, skew := range []int{0, 3} {
		for _, n := range []int{8, 20, 64, 125, 256, 1 << 10, 16 << 10, 64 << 10, 1 << 20} {
			// Slices of more than a page are aligned to cache lines.
			p, q := make([]byte, 4096+n)[skew:][:n], make([]byte, 4096+n)[:n]
			row := func(name string, f func(b *testing.B)) {
				b.Run(fmt.Sprintf("%s/skew=%d/%d", name, skew, n), func(b *testing.B) {
					b.SetBytes(int64(n))
					f(b)
				})
			}
			row("limit=copy", func(b *testing.B) {
				for b.Loop() {
					copy(q, p)
				}
			})
			row("XOR", func(b *testing.B) {
				for b.Loop() {
					XOR(p, key, 1)
				}
			})
			row("Copy", func(b *testing.B) {
				for b.Loop() {
					Copy(q, p, key, 1)
				}
			})
			row("ASCII", func(b *testing.B) {
				for b.Loop() {
					ASCII(p, key, 1)
				}
			})
			row("generic", func(b *testing.B) {
				for b.Loop() {
					applyGeneric(p, p, Word(key, 1))
				}
			})
			for _, k := range kernels {
				row(k.name, func(b *testing.B) {
					for b.Loop() {
						k.apply(p, p, Word(key, 1))
					}
				})
			}
		}
	}
}
