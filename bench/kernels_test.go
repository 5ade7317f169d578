package bench

import (
	"bytes"
	"fmt"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// The rows of the loops that touch every byte, and the tests of their jobs.

func BenchmarkMask(b *testing.B) {
	for _, size := range maskSizes {
		for offset := range 2 {
			b.Run(fmt.Sprintf("size=%d/offset=%d", size, offset), func(b *testing.B) {
				each(b, func(l Library) bool { return l.Mask != nil }, func(b *testing.B, l Library) Job {
					b.SetBytes(int64(size))
					return l.Mask(aligned(size, offset), mask)
				})
			})
		}
	}
}

func BenchmarkMaskCopy(b *testing.B) {
	for _, size := range maskSizes {
		for offset := range 2 {
			b.Run(fmt.Sprintf("size=%d/offset=%d", size, offset), func(b *testing.B) {
				each(b, func(l Library) bool { return l.MaskCopy != nil }, func(b *testing.B, l Library) Job {
					b.SetBytes(int64(size))
					return l.MaskCopy(aligned(size, 0), aligned(size, offset), mask)
				})
			})
		}
	}
}

// eachText has a row for each script and size.
func eachText(b *testing.B, row func(b *testing.B, text []byte)) {
	for _, s := range scripts {
		for _, size := range textSizes {
			b.Run(fmt.Sprintf("text=%s/size=%d", s.name, size), func(b *testing.B) { row(b, s.text(size)) })
		}
	}
}

func BenchmarkValid(b *testing.B) {
	eachText(b, func(b *testing.B, text []byte) {
		each(b, func(l Library) bool { return l.Valid != nil }, func(b *testing.B, l Library) Job {
			b.SetBytes(int64(len(text)))
			return l.Valid(text, new(bool))
		})
	})
}

func BenchmarkValidPieces(b *testing.B) {
	eachText(b, func(b *testing.B, text []byte) {
		for _, pieces := range [][][]byte{{text}, halves(text)} {
			b.Run(fmt.Sprintf("pieces=%d", len(pieces)), func(b *testing.B) {
				each(b, func(l Library) bool { return l.ValidPieces != nil }, func(b *testing.B, l Library) Job {
					b.SetBytes(int64(len(text)))
					return l.ValidPieces(pieces, new(bool))
				})
			})
		}
	})
}

// The key is zero, so that the text is there again in the next round. No
// library does less for it.
func BenchmarkUnmaskText(b *testing.B) {
	eachText(b, func(b *testing.B, text []byte) {
		each(b, func(l Library) bool { return l.UnmaskText != nil }, func(b *testing.B, l Library) Job {
			b.SetBytes(int64(len(text)))
			return l.UnmaskText(text, [4]byte{}, new(bool))
		})
	})
}

// masked returns a masked copy of p.
func masked(p []byte) []byte {
	p = bytes.Clone(p)
	for i := range p {
		p[i] ^= mask[i%4]
	}
	return p
}

func TestMaskJobs(t *testing.T) {
	for _, size := range maskSizes {
		for offset := range 2 {
			src := aligned(size, offset)
			want := masked(src)
			eachLibrary(t, func(l Library) bool { return l.Mask != nil }, func(t *testing.T, l Library) {
				p := append(aligned(size, offset)[:0], src...)
				require.NoError(t, l.Mask(p, mask)(3))
				require.True(t, bytes.Equal(want, p), "size %d", size)
			})
			eachLibrary(t, func(l Library) bool { return l.MaskCopy != nil }, func(t *testing.T, l Library) {
				dst := make([]byte, size)
				require.NoError(t, l.MaskCopy(dst, src, mask)(2))
				require.True(t, bytes.Equal(want, dst), "size %d", size)
				require.True(t, bytes.Equal(masked(want), src), "the source was changed")
			})
		}
	}
}

func TestTextJobs(t *testing.T) {
	for _, s := range scripts {
		for _, size := range textSizes {
			good := s.text(size)
			bad := append(bytes.Clone(good[:len(good)-1]), 0xFF)
			for text, want := range map[*[]byte]bool{&good: true, &bad: false} {
				t.Run(fmt.Sprintf("text=%s/size=%d/valid=%t", s.name, size, want), func(t *testing.T) {
					testTextJobs(t, *text, want)
				})
			}
		}
	}
}

func testTextJobs(t *testing.T, text []byte, want bool) {
	// check runs a job, which may return an error when the text is bad.
	check := func(t *testing.T, job Job, n int, got *bool) {
		*got = !want
		if err := job(n); want {
			require.NoError(t, err)
		}
		require.Equal(t, want, *got)
	}
	eachLibrary(t, func(l Library) bool { return l.Valid != nil }, func(t *testing.T, l Library) {
		var got bool
		check(t, l.Valid(text, &got), 2, &got)
	})
	eachLibrary(t, func(l Library) bool { return l.ValidPieces != nil }, func(t *testing.T, l Library) {
		var got bool
		check(t, l.ValidPieces([][]byte{text}, &got), 2, &got)
		check(t, l.ValidPieces(halves(text), &got), 2, &got)
	})
	eachLibrary(t, func(l Library) bool { return l.UnmaskText != nil }, func(t *testing.T, l Library) {
		var got bool
		p := masked(text)
		check(t, l.UnmaskText(p, mask, &got), 1, &got)
		require.True(t, bytes.Equal(text, p))
	})
}

// The claims of the rows about their inputs must be right.
func TestTexts(t *testing.T) {
	for _, size := range append(maskSizes, textSizes...) {
		for offset := range 2 {
			p := aligned(size, offset)
			require.Len(t, p, size)
			require.EqualValues(t, offset, uintptr(unsafe.Pointer(&p[0]))%64)
		}
	}
	for _, s := range scripts {
		for _, size := range textSizes {
			text := s.text(size)
			require.InDelta(t, size, len(text), 3)
			require.EqualValues(t, 0, uintptr(unsafe.Pointer(&text[0]))%64)
			parts := halves(text)
			require.True(t, bytes.Equal(text, bytes.Join(parts, nil)))
			require.Equal(t, s.name != "ascii", parts[1][0] >= 0x80, "cut inside a character")
		}
	}
}
