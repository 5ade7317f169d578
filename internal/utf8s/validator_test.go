package utf8s

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
)

// Every sequence at every cut.
func TestValidatorSequences(t *testing.T) {
	n := 0
	sequences(func(p []byte) {
		if n++; testing.Short() && n%5 != 0 { // as under an emulator
			return
		}
		for cuts := range 1 << (len(p) - 1) {
			var v Validator
			for from := 0; from < len(p); {
				to := from + 1
				for to < len(p) && cuts>>(to-1)&1 == 0 {
					to++
				}
				ok := v.Valid(p[from:to])
				if _, want := naive(p[:to]); ok != want || v.Done() != utf8.Valid(p[:to]) {
					t.Fatalf("% x, of which % x is a piece", p[:to], p[from:to])
				}
				from = to
			}
		}
	})
}

// Texts, right and wrong, in three pieces cut anywhere.
func TestValidatorCuts(t *testing.T) {
	rng := rand.New(rand.NewPCG(3629, 4))
	for range 20 {
		p := noise(rng, 90)
		for j := range len(p) + 1 {
			for i := range j + 1 {
				var v Validator
				for _, piece := range [][2]int{{0, i}, {i, j}, {j, len(p)}} {
					from, to := piece[0], piece[1]
					accepted, ok := v.Feed(p[from:to])
					all, want := naive(p[:to])
					if ok != want || accepted != max(0, all-from) || v.Done() != utf8.Valid(p[:to]) {
						t.Fatalf("%q: %d accepted of %q", p, accepted, p[from:to])
					}
				}
			}
		}
	}
}

// RFC 3629, section 4: the text fails at the byte in brackets, not later.
func TestFailsAtFirstBadByte(t *testing.T) {
	for _, c := range []struct{ name, good, bad string }{
		{"continuation alone", "", "\x80"},
		{"overlong of two", "", "\xC0"},
		{"overlong of two", "", "\xC1"},
		{"overlong of three", "\xE0", "\x9F"},
		{"overlong of four", "\xF0", "\x8F"},
		{"surrogate", "\xED", "\xA0"},
		{"above U+10FFFF", "\xF4", "\x90"},
		{"above U+10FFFF", "", "\xF5"},
		{"no byte of UTF-8", "", "\xFF"},
		{"short of two", "\xC3", "a"},
		{"short of three", "\xE2\x82", "\xC3"},
		{"short of four", "\xF0\x9F\x98", "\xE2"},
	} {
		for _, before := range []string{"", "a", "é€😀", "some more text, which fills vectors"} {
			var v Validator
			require.True(t, v.Valid([]byte(before+c.good)), c.name)
			require.Equal(t, c.good == "", v.Done(), c.name)
			require.False(t, v.Valid([]byte(c.bad)), c.name)
			require.False(t, v.Done(), c.name)
			require.False(t, v.Valid([]byte("a")), "%s: stays", c.name)
			require.False(t, v.Valid(nil), "%s: stays", c.name)
			require.False(t, v.Unmask([]byte("a"), [4]byte{}, 0), "%s: stays", c.name)

			v = Validator{}
			accepted, ok := v.Feed([]byte(before + c.good + c.bad + "text"))
			require.False(t, ok, c.name)
			require.Equal(t, len(before), accepted, c.name)
		}
	}
}

func TestValidatorIsAPlainValue(t *testing.T) {
	require.LessOrEqual(t, reflect.TypeFor[Validator]().Size(), uintptr(8))
	var v, w Validator
	require.True(t, v.Done(), "an empty text")
	require.True(t, v.Valid([]byte("é€😀")))
	require.Equal(t, w, v, "back at the beginning")
	v.Valid([]byte("\xE2\x82"))
	w = v
	require.True(t, w.Valid([]byte("\xAC")))
	require.False(t, v.Done(), "a copy is independent")
}

func unmasked(p []byte, key [4]byte, pos int) []byte {
	q := bytes.Clone(p)
	for i := range q {
		q[i] ^= key[(pos+i)%4]
	}
	return q
}

// Unmask is XOR and Valid, in two pieces.
func TestUnmask(t *testing.T) {
	rng := rand.New(rand.NewPCG(3629, 5))
	key := [4]byte{0x37, 0xFA, 0x21, 0x3D}
	for n := range 301 {
		for pos := range 4 {
			text := noise(rng, n)
			p := unmasked(text, key, pos)
			cut := rng.IntN(n + 1)
			var v, w Validator
			for _, piece := range [][2]int{{0, cut}, {cut, n}} {
				from, to := piece[0], piece[1]
				require.Equal(t, w.Valid(text[from:to]), v.Unmask(p[from:to], key, pos+from), "%q", text)
				require.Equal(t, w, v)
			}
			require.Equal(t, text, p)
		}
	}
}

// What lies around the text stays, for every length, offset and beginning in
// the key.
func TestUnmaskKeepsInside(t *testing.T) {
	rng := rand.New(rand.NewPCG(3629, 6))
	var got, want [512]byte
	for n := range 301 {
		for i := range 4 * 64 {
			off, pos := i/4, i%4
			if race.Enabled && i%16 != n%16 {
				continue
			}
			text := noise(rng, n)
			for j := range want {
				want[j] = byte(j * 7)
			}
			got = want
			copy(want[off+16:], text)
			p := got[off+16:][:copy(got[off+16:], unmasked(text, testKey, pos))]
			var v Validator
			ok := v.Unmask(p, testKey, pos)
			if _, valid := naive(text); ok != valid || v.Done() != utf8.Valid(text) || got != want {
				t.Fatalf("%q at %d, pos %d", text, off, pos)
			}
		}
	}
}

// A text longer than one step, with a bad byte anywhere: all of it is unmasked.
func TestUnmaskLong(t *testing.T) {
	key := [4]byte{1, 2, 3, 4}
	text := bytes.Repeat([]byte("Grüße "), 3*unmaskStep/8+1)
	for _, at := range []int{-1, 0, unmaskStep - 1, unmaskStep, len(text) - 1} {
		want := bytes.Clone(text)
		if at >= 0 {
			want[at] = 0xFF
		}
		p := unmasked(want, key, 3)
		var v Validator
		require.Equal(t, at < 0, v.Unmask(p, key, 3))
		require.Equal(t, at < 0, v.Done())
		require.True(t, bytes.Equal(want, p))
	}
}

func TestNoAllocation(t *testing.T) {
	for _, text := range texts {
		p := []byte(text.unit)
		require.Zero(t, testing.AllocsPerRun(10, func() {
			var v Validator
			v.Feed(p[:len(p)-1])
			v.Unmask(p, [4]byte{}, 0)
			Valid(p)
		}))
	}
}

func FuzzValidator(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text.unit), uint16(3), uint16(20), uint32(0x37FA213D))
	}
	f.Add([]byte("\xF0\x9F\x98\x80\xED\xA0\x80 and more of it"), uint16(2), uint16(5), uint32(1))
	f.Fuzz(func(t *testing.T, text []byte, i, j uint16, k uint32) {
		key := [4]byte{byte(k >> 24), byte(k >> 16), byte(k >> 8), byte(k)}
		p := unmasked(text, key, 0)
		var v, w Validator
		from := 0
		for _, to := range []int{min(int(i), len(p)), min(int(j), len(p)), len(p)} {
			to = max(from, to)
			accepted, ok := v.Feed(text[from:to])
			all, want := naive(text[:to])
			require.Equal(t, want, ok)
			require.Equal(t, max(0, all-from), accepted)
			require.Equal(t, utf8.Valid(text[:to]), v.Done())

			require.Equal(t, ok, w.Unmask(p[from:to], key, from))
			require.Equal(t, v, w)
			from = to
		}
		require.True(t, bytes.Equal(text, p))
	})
}
