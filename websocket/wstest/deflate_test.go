package wstest

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
)

func inflateAll(p, history []byte, window int) ([]byte, error) {
	d := inflater{in: append(bytes.Clone(p), 0, 0, 0xff, 0xff), out: bytes.Clone(history), start: len(history), window: window, limit: maxReceived}
	return d.run()
}

// stdInflate is the other opinion.
func stdInflate(p, history []byte) ([]byte, error) {
	r := flate.NewReaderDict(io.MultiReader(bytes.NewReader(p), bytes.NewReader([]byte{0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff})), history)
	return io.ReadAll(r)
}

func TestInflateReadsWhatTheStandardLibraryWrites(t *testing.T) {
	for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, 1, 5, 6, 9} {
		for _, n := range []int{0, 1, 2, 100, 300, 5000, 70_000} {
			for _, plain := range [][]byte{sample(n), noise(3, n), bytes.Repeat([]byte("ab"), n/2), append(noise(4, n), noise(4, n)...)} {
				got, err := inflateAll(std(string(plain), level), nil, 1<<15)
				require.NoError(t, err)
				require.True(t, bytes.Equal(plain, got))
			}
		}
	}
}

func TestTheStandardLibraryReadsWhatDeflateWrites(t *testing.T) {
	for _, n := range []int{0, 1, 3, 100, 300, 5000, 70_000} {
		for _, window := range []int{256, 1024, 1 << 15} {
			history := noise(5, min(n, window))
			for _, plain := range [][]byte{sample(n), bytes.Repeat([]byte("abc"), n/3), append(bytes.Clone(history), history...)} {
				p := deflate(history, plain, window)
				got, err := stdInflate(p, history)
				require.NoError(t, err)
				require.True(t, bytes.Equal(plain, got))
				got, err = inflateAll(p, history, window)
				require.NoError(t, err, "deflate reaches over its window")
				require.True(t, bytes.Equal(plain, got))
			}
		}
	}
}

func TestInflateSeesTheWindow(t *testing.T) {
	block := noise(6, 1000)
	p := std(string(append(bytes.Clone(block), block...)), 6)
	_, err := inflateAll(p, nil, 1000)
	require.NoError(t, err)
	_, err = inflateAll(p, nil, 999)
	require.ErrorContains(t, err, "match distance 1000 exceeds the window of 999 bytes")
	_, err = inflateAll(deflate(block, block, 1<<15), nil, 1<<15)
	require.ErrorContains(t, err, "bytes before it")
}

// What is broken at random is an error for both, or the same bytes.
func TestInflateAgreesWithTheStandardLibraryOnFaults(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	n := 3000
	if race.Enabled {
		n = 300
	}
	for range n {
		p := std(string(sample(r.IntN(300))), []int{flate.HuffmanOnly, 1, 6}[r.IntN(3)])
		for range 1 + r.IntN(3) {
			p[r.IntN(len(p))] ^= 1 << r.IntN(8)
		}
		got, err := inflateAll(p, nil, 1<<15)
		want, werr := stdInflate(p, nil)
		if err == nil && werr == nil && !bytes.HasPrefix(got, want) { // the standard library stops at BFINAL
			t.Fatalf("%x: %x, not %x", p, got, want)
		}
	}
}

func TestBomb(t *testing.T) {
	for _, n := range []int{1, 2, 258, 259, 260, 1000, 100_000} {
		got, err := stdInflate(bomb(n), nil)
		require.NoError(t, err)
		require.True(t, bytes.Equal(make([]byte, n), got), n)
	}
}
