package inflate

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// inflateWith inflates a message on its own by a stream of the test's.
func inflateWith(t *testing.T, s *stream, payload []byte) []byte {
	t.Helper()
	s.message = message{out: make([]byte, 1<<16), past: &history{size: 1 << maxBits}}
	s.give(payload)
	require.Equal(t, complete, s.advance(true))
	return s.out[:s.n]
}

func TestDynamicCodeIsKept(t *testing.T) {
	var texts, all [][]byte
	for i := range 6 {
		texts = append(texts, prose(uint64(i), 1, 2000+i)...)
		all = append(all, one(texts[i]))
		require.EqualValues(t, 2, all[i][0]>>1&3, "the test wants dynamic blocks")
	}
	s := &stream{codes: new(codes)}
	require.Equal(t, texts[0], inflateWith(t, s, all[0]))
	first := s.codes.kept[0]
	require.NotZero(t, first.headerBits)
	require.True(t, first.describedBy(all[0], 3))
	for bit := range first.headerBits {
		other := bytes.Clone(all[0])
		other[(3+bit)/8] ^= 1 << ((3 + bit) & 7)
		require.False(t, first.describedBy(other, 3), "bit %d", bit)
	}

	require.Equal(t, texts[0], inflateWith(t, s, all[0]))
	require.Same(t, first, s.codes.kept[1], "what comes again is kept")
	for range 3 {
		for i := 1; i < 6; i++ {
			require.Equal(t, texts[i], inflateWith(t, s, all[i]))
		}
	}
	require.Same(t, first, s.codes.kept[1], "what comes once does not take its place")
	require.Nil(t, s.codes.kept[2])

	for round := range 3 {
		for i := range 3 {
			require.Equal(t, texts[i], inflateWith(t, s, all[i]))
			require.Equal(t, texts[i], inflateWith(t, s, all[i]))
			if round > 0 {
				require.Contains(t, s.codes.kept[1:], s.code)
			}
		}
	}
	for i := range 6 { // also where more come than are kept
		for k := range 6 {
			require.Equal(t, texts[(i*k)%6], inflateWith(t, s, all[(i*k)%6]))
		}
	}
}

// A description that is cut or damaged leaves nothing behind to be found.
func TestBrokenCodeIsNotKept(t *testing.T) {
	text := prose(1, 1, 2000)[0]
	p := one(text)
	s := &stream{codes: new(codes)}
	inflateWith(t, s, p)
	header := s.codes.kept[0].headerBits
	for bit := 3; bit < 3+header; bit += 3 {
		damaged := bytes.Clone(p)
		damaged[bit/8] ^= 1 << (bit & 7)
		s.message = message{out: make([]byte, 1<<16), past: &history{size: 1 << maxBits}}
		s.give(damaged)
		s.advance(true)
		require.Equal(t, text, inflateWith(t, s, p))
	}
}
