package deflate

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// records returns n bytes of records of the given size, whose first bytes are
// random and whose others are digits.
func records(r *rand.Rand, n, size, random int) []byte {
	p := contents[2].make(r, n)
	for i := range p {
		if i%size >= random {
			p[i] = '0' + p[i]%10
		}
	}
	return p
}

func TestIsNoise(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for size := leastNoise; size <= maxOwn; size += 1 + size/7 {
		require.True(t, isNoise(contents[2].make(r, size)), size)
		require.False(t, isNoise([]byte(hex.EncodeToString(contents[2].make(r, size/2+1)))), size)
		for _, c := range []string{"ticks", "text", "zeros"} {
			for i := range contents {
				if contents[i].name == c {
					require.False(t, isNoise(contents[i].make(r, size)), "%s %d", c, size)
				}
			}
		}
		for _, record := range []int{2, 3, 4, 5, 8, 12, 15, 16, 24, 32, 48, 64, 256} {
			require.False(t, isNoise(records(r, size, record, record/2)), "%d of %d", record, size)
		}
	}
	require.False(t, isNoise(contents[2].make(r, leastNoise-1)))
}

// What only looks like noise is compressed: repetitions of it, and a message
// with a readable part.
func TestNoiseThatRepeats(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for _, takeover := range []bool{false, true} {
		e, p := newEncoder(15, takeover, 1), newPeer(15, takeover)
		once := contents[2].make(r, 4<<10)
		twice := append(append([]byte{}, once...), once...)
		tick := append(newTicks(1).message(2000), once...)
		p.receive(t, e.Append(nil, once), once)
		for _, m := range [][]byte{twice, tick} {
			out, ok := e.Try(nil, m)
			require.True(t, ok)
			require.Less(t, len(out), len(m)-1000)
			p.receive(t, out, m)
		}
		if out, ok := e.Try(nil, once); takeover {
			require.True(t, ok)
			require.Less(t, len(out), 200)
		} else {
			require.False(t, ok)
		}
	}
}

// Noise is not written as items, and goes out in a stored block.
func TestNoiseIsStored(t *testing.T) {
	m := contents[2].make(rand.New(rand.NewPCG(3, 3)), 4<<10)
	w := borrow()
	w.alone(m, 1<<MaxBits)
	require.True(t, w.noise)
	require.Zero(t, w.n)
	w.giveBack()
	out := new(Encoder).Append(nil, m)
	require.Len(t, out, storedSize(len(m)))
	require.Equal(t, len(m), int(binary.LittleEndian.Uint16(out[1:])))
}

// Messages of all sizes that go out plain allocate nothing, once dst has grown:
// neither the small ones nor those of klauspost/compress.
func TestRefusalKeepsTheRoom(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for _, size := range []int{100, 4 << 10, 200 << 10} {
		m := contents[2].make(r, size)
		dst, ok := new(Encoder).Try([]byte("x"), m)
		require.False(t, ok)
		require.Equal(t, "x", string(dst))
		if size > maxOwn {
			require.GreaterOrEqual(t, cap(dst), size)
		}
	}
}

// A message that becomes much smaller takes little room.
func TestRoomFollowsItems(t *testing.T) {
	out := new(Encoder).Append(nil, make([]byte, 20<<10))
	require.LessOrEqual(t, cap(out), 1<<10)
}
