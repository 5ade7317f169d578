package httphead

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// fields makes fields of names and values in turn.
func fields(namesAndValues ...string) (f Fields) {
	for pair := range slices.Chunk(namesAndValues, 2) {
		f = append(f, Field{[]byte(pair[0]), []byte(pair[1])})
	}
	return f
}

// RFC 9110, section 5.1: names are compared without regard to case.
func TestFieldsLookUp(t *testing.T) {
	f := fields("Host", "h", "X-A", "1", "x-a", "2", "X-B", "3", "X-A", "4")
	v, ok := f.Value("x-A")
	require.True(t, ok)
	require.Equal(t, "1", string(v))
	_, ok = f.Value("X-C")
	require.False(t, ok)
	require.Equal(t, 3, f.Count("X-A"))
	require.Zero(t, f.Count("X"))

	require.Equal(t, "1 2 4", string(bytes.Join(slices.Collect(f.Values("x-a")), []byte{' '})))
	for v := range f.Values("x-a") {
		require.Equal(t, "1", string(v))
		break
	}
	require.Empty(t, slices.Collect(Fields(nil).Values("x")))
}

// Folding is of ASCII letters and of nothing else: neither of what strings.EqualFold
// folds (K and the Kelvin sign) nor of bytes that differ in bit 5.
func TestFieldNamesFoldASCIIOnly(t *testing.T) {
	for a := range 256 {
		for b := range 256 {
			want := bytes.Equal(bytes.ToLower([]byte{byte(a)}), bytes.ToLower([]byte{byte(b)}))
			if a >= 0x80 || b >= 0x80 {
				want = a == b
			}
			require.Equal(t, want, equalFold([]byte{byte(a)}, string([]byte{byte(b)})), "%#x %#x", a, b)
		}
	}
	require.False(t, equalFold([]byte("sec-webSocKet"), "sec-websoc\u212aet"))
}

func TestOctetSearchesAgreeWithPlainLoops(t *testing.T) {
	plain := func(p []byte, i int, stop func(byte) bool) int {
		for i < len(p) && !stop(p[i]) {
			i++
		}
		return i
	}
	control := func(c byte) bool { return c < 0x20 && c != '\t' || c == 0x7f }
	invisible := func(c byte) bool { return c < 0x21 || c > 0x7e }
	noTarget := func(c byte) bool { return c < 0x21 || c == 0x7f }
	for c := range 256 {
		for d := range 256 { // a second byte right after it: borrows must not propagate back
			for _, at := range []int{0, 3, 6, 7} {
				p := []byte("abcdefghijklmnop")
				p[at], p[at+1] = byte(c), byte(d)
				for _, i := range []int{0, 1, 9, 16} {
					if plain(p, i, control) != controlEnd(p, i) || plain(p, i, invisible) != visibleEnd(p, i) || plain(p, i, noTarget) != targetEnd(p, i) {
						t.Fatalf("%q from %d: controlEnd %d, visibleEnd %d, targetEnd %d", p, i, controlEnd(p, i), visibleEnd(p, i), targetEnd(p, i))
					}
				}
			}
		}
	}
}
