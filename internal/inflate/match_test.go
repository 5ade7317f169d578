package inflate

import (
	"bytes"
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"
)

// RFC 1951, section 3.2.3: a match may refer to bytes that it makes itself. The
// number of copies follows the logarithm of its length, not its distance.
func TestMatchCopies(t *testing.T) {
	text := noise(1, 1, 300)[0]
	for distance := 1; distance <= len(text); distance++ {
		for _, length := range []int{3, 16, 100, 258} {
			p := append(bytes.Clone(text[:distance]), make([]byte, length)...)
			copies := repeat(p, distance)
			for i := range p {
				require.Equal(t, text[i%distance], p[i])
			}
			require.LessOrEqual(t, copies, bits.Len(uint(length/distance))+1, "%d of %d", distance, length)
		}
	}
}

// Off the fast path a match comes in three pieces at most: both ends of the
// history, and all the rest from the output. So it is when the output begins
// within the match, and when there is room for a part of it only.
func TestMatchPieces(t *testing.T) {
	text := noise(1, 1, 256)[0]
	for distance := 1; distance <= 256; distance++ {
		for _, made := range []int{0, 1, 5, 100, 300} {
			for _, room := range []int{1, 100, 258, 400} {
				past := &history{size: 256}
				past.enter(text[100:])
				past.enter(text[:100])
				past.enter(text[100:]) // the ring has turned
				last := append(bytes.Clone(text), noise(2, 1, made)[0]...)
				s := &stream{message: message{past: past, out: make([]byte, made+room), n: made}}
				copy(s.out, last[len(text):])
				s.length, s.distance = 258, distance
				pieces := 0
				for s.length > 0 && s.copyPiece() > 0 {
					pieces++
				}
				require.LessOrEqual(t, pieces, 3)
				k := min(258, room)
				require.Equal(t, made+k, s.n)
				require.Equal(t, 258-k, s.length)
				for i, c := range s.out[made:s.n] {
					require.Equal(t, last[len(last)-distance+i%distance], c, "distance %d, %d made", distance, made)
				}
			}
		}
	}
}
