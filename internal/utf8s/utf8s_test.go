package utf8s

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/internal/mask"
	"github.com/wskit/wskit/internal/race"
)

// kernel is one implementation of Valid, callable for any length.
type kernel struct {
	name  string
	valid func(p []byte) bool
}

// all is what this build can run: each assembly kernel, the dispatch, and what
// unmasks and validates at once. The generic twin is utf8.Valid, which they are
// compared with.
var all = append(kernels, kernel{"dispatch", Valid}, unmasking("unmaskGeneric", unmaskGeneric),
	kernel{"Unmask", func(p []byte) bool {
		var v Validator
		mask.XOR(p, testKey, 0)
		return v.Unmask(p, testKey, 0) && v.Done()
	}})

var testKey = [4]byte{0x37, 0xFA, 0x21, 0x3D}

// unmasking makes a Valid of a kernel that unmasks in place, for the lengths
// that it takes. If the text is not what it was it is not valid either, or
// valid if it should not be.
func unmasking(name string, unmask func(p []byte, key uint32) bool) kernel {
	return kernel{name, func(p []byte) bool {
		if len(p) < leastAtOnce || len(p) > mostAtOnce {
			return utf8.Valid(p)
		}
		var room [512]byte
		was := room[:copy(room[:], p)]
		mask.XOR(p, testKey, 0)
		ok := unmask(p, binary.LittleEndian.Uint32(testKey[:]))
		return ok == bytes.Equal(was, p)
	}}
}

// naive is the slow twin of a Validator that was fed p in one piece: it asks
// the standard library for one character after the other.
func naive(p []byte) (accepted int, ok bool) {
	for accepted < len(p) {
		r, size := utf8.DecodeRune(p[accepted:])
		if r == utf8.RuneError && size == 1 {
			return accepted, !utf8.FullRune(p[accepted:])
		}
		accepted += size
	}
	return accepted, true
}

// edges are the bytes where one of the classes of table 3-7 begins or ends, and
// all that begin, or seem to begin, four bytes: no shorter sequence tells those
// apart.
var edges = []byte{
	0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF,
	0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF2, 0xF3, 0xF4,
	0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF,
}

func isEdge(b byte) bool { return bytes.IndexByte(edges, b) >= 0 }

// sequences calls f with every sequence of one to three bytes and with every
// sequence of four edges, valid or not. The race detector, which is slow and
// sees nothing here, gets three edges in place of three bytes.
func sequences(f func(p []byte)) {
	var p [4]byte
	for i := range 1 << 8 {
		p[0] = byte(i)
		f(p[:1])
	}
	for i := range 1 << 16 {
		p[0], p[1] = byte(i>>8), byte(i)
		f(p[:2])
	}
	for i := range 1 << 24 {
		p[0], p[1], p[2] = byte(i>>16), byte(i>>8), byte(i)
		if !race.Enabled || isEdge(p[0]) && isEdge(p[1]) && isEdge(p[2]) {
			f(p[:3])
		}
	}
	for _, a := range edges {
		for _, b := range edges {
			for _, c := range edges {
				for _, d := range edges {
					p = [4]byte{a, b, c, d}
					f(p[:])
				}
			}
		}
	}
}

// Every sequence inside ASCII, where the vectors of the kernels meet.
func TestKernelSequences(t *testing.T) {
	for _, k := range kernels {
		text := []byte(strings.Repeat("a", 40))
		i := 0
		sequences(func(p []byte) {
			i++
			at := 29 + i&3
			copy(text[at:], p)
			if k.valid(text) != utf8.Valid(p) {
				t.Fatalf("%s: % x at %d", k.name, p, at)
			}
			copy(text[at:], "aaaa")
		})
	}
}

// Every valid character and every edge at every place of every length, whole,
// cut by the end, and beside another character.
func TestKernelPlaces(t *testing.T) {
	pieces := []string{"é", "ߐ", "€", "\uFFFD", "😀", "\U0010FFFF", "é€", "😀😀", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE0\x9F\xBF"}
	for _, b := range edges {
		pieces = append(pieces, string([]byte{b}), string([]byte{b, 0x80}), "é"+string([]byte{b}))
	}
	for _, k := range all {
		for n := range 200 {
			text := []byte(strings.Repeat("a", n))
			for at := range n {
				if (race.Enabled || testing.Short()) && at%8 != n%8 {
					continue
				}
				for _, piece := range pieces {
					m := copy(text[at:], piece)
					if k.valid(text) != utf8.Valid(text) {
						t.Fatalf("%s: %q at %d of %d", k.name, piece, at, n)
					}
					for i := range m {
						text[at+i] = 'a'
					}
				}
			}
		}
	}
}

// noise returns text in several scripts of about n bytes, cut anywhere, in
// which one byte in half of the cases is any byte.
func noise(rng *rand.Rand, n int) []byte {
	var p []byte
	for len(p) < n+8 {
		unit := texts[rng.IntN(len(texts))].unit
		p = append(p, unit[rng.IntN(len(unit)):]...)
		p = []byte(strings.ToValidUTF8(string(p), ""))
	}
	p = p[rng.IntN(4):][:n]
	if n > 0 && rng.IntN(2) == 0 {
		p[rng.IntN(n)] = byte(rng.UintN(256))
	}
	return p
}

// Every length at every offset.
func TestKernelLengths(t *testing.T) {
	rng := rand.New(rand.NewPCG(3629, 1))
	var room [512]byte
	for _, k := range all {
		for n := range 301 {
			for off := range 64 {
				if testing.Short() && off%8 != n%8 { // as under an emulator
					continue
				}
				for i := range room {
					room[i] = 0xFF
				}
				p := room[off+16:][:n]
				copy(p, noise(rng, n))
				if k.valid(p) != utf8.Valid(p) {
					t.Fatalf("%s: %q at %d", k.name, p, off)
				}
			}
		}
	}
}

func TestKernelLong(t *testing.T) {
	rng := rand.New(rand.NewPCG(3629, 2))
	for _, k := range all {
		for range 300 {
			p := noise(rng, 400+rng.IntN(5000))
			require.Equal(t, utf8.Valid(p), k.valid(p), "%s: %q", k.name, p)
			p = []byte(strings.ToValidUTF8(string(p), "?"))
			require.True(t, k.valid(p), "%s: %q", k.name, p)
		}
	}
}

func FuzzValid(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text.unit + text.unit + text.unit))
	}
	f.Add([]byte("\xF0\x9F\x98\x80\xED\xA0\x80 and more of it"))
	f.Fuzz(func(t *testing.T, p []byte) {
		for _, k := range all {
			require.Equal(t, utf8.Valid(p), k.valid(p), k.name)
		}
	})
}
