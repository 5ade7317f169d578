package utf8s

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/wskit/wskit/internal/mask"
)

var texts = []struct{ name, unit string }{
	{"ascii", "The quick brown fox jumps over the lazy dog. "},
	{"mixed", "Zürich, São Paulo, 東京都, Łódź, 北京市, Köln, 😀 "},
	{"cjk", "人人生而自由在尊嚴和權利上一律平等"},
	{"rare", "The quick brown fox jumps over the lazy dog. Twelve more words follow before the café is reached. "},
}

// BenchmarkText has a row for each function and text: the standard library's, a
// copy and a plain unmasking of the same size are what they are measured by.
func BenchmarkText(b *testing.B) {
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	for _, text := range texts {
		for _, n := range []int{6, 8, 16, 20, 32, 63, 125, 1 << 10, 16 << 10, 64 << 10} {
			p := []byte(strings.Repeat(text.unit, n/len(text.unit)+1))[:n]
			p = p[:n-partial(p)]
			q := make([]byte, n)
			row := func(name string, f func(b *testing.B)) {
				b.Run(fmt.Sprintf("%s/%s/%d", name, text.name, n), func(b *testing.B) {
					b.SetBytes(int64(len(p)))
					f(b)
				})
			}
			row("limit=copy", func(b *testing.B) {
				for b.Loop() {
					copy(q, p)
				}
			})
			row("limit=utf8.Valid", func(b *testing.B) {
				for b.Loop() {
					utf8.Valid(p)
				}
			})
			row("Valid", func(b *testing.B) {
				for b.Loop() {
					Valid(p)
				}
			})
			row("Validator.Valid", func(b *testing.B) {
				var v Validator
				for b.Loop() {
					v.Valid(p)
				}
				if !v.Done() {
					b.Fatal("refused")
				}
			})
			row("limit=mask.XOR", func(b *testing.B) {
				for b.Loop() {
					mask.XOR(q, key, 0)
				}
			})
			// A zero key leaves the text as it is for the next round.
			row("Validator.Unmask", func(b *testing.B) {
				var v Validator
				for b.Loop() {
					v.Unmask(p, [4]byte{}, 0)
				}
				if !v.Done() {
					b.Fatal("refused")
				}
			})
		}
	}
}
