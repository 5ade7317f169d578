package deflate

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCommon(t *testing.T) {
	for size := range 60 {
		for differ := range size + 1 {
			buf := bytes.Repeat([]byte("a"), 10+size)
			if differ < size {
				buf[10+differ] = 'b'
			}
			require.Equal(t, differ, common(buf, 10, 3))
		}
	}
}

// Matches of any length are cut so that no piece is shorter than a match may
// be.
func TestPutMatch(t *testing.T) {
	for length := minMatch; length < 2000; length++ {
		f := finder{items: make([]item, 1000)}
		f.putMatch(length, 7)
		total := 0
		for k := 0; k < f.n; k += 2 {
			n := int(f.items[k]) - lengthItem + 3
			require.GreaterOrEqual(t, n, minMatch)
			require.LessOrEqual(t, n, maxMatch)
			total += n
		}
		require.Equal(t, length, total)
	}
}

func TestPutLiterals(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	buf := contents[2].make(random, 64)
	for from := range buf {
		for to := from; to <= len(buf); to++ {
			f := finder{items: make([]item, 72)}
			f.putLiterals(buf, from, to)
			require.Equal(t, to-from, f.n)
			for k, i := range f.items[:f.n] {
				require.Equal(t, item(buf[from+k]), i)
			}
		}
	}
}

// Positions are counted modulo 2^32, and nothing changes there.
func TestPositionsOverflow(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	e, p := newEncoder(12, true, 1), newPeer(12, true)
	m := contents[2].make(random, 1000)
	p.receive(t, e.Append(nil, m), m)
	e.window.base += 1<<32 - 1<<16 // as many bytes later
	over, total := false, 0
	for range 50 {
		before := e.window.base
		m := append(newTicks(random.Uint64()).message(1500), m...)
		out := e.Append(nil, m)
		total += len(out)
		p.receive(t, out, m)
		over = over || e.window.base < before
	}
	require.True(t, over)
	require.Less(t, total, 50*1000, "the random part is found again")
}

// Positions are kept modulo 65536: what lies exactly that far back looks as if
// it were here, and what lies further back as if it were near.
func TestPositionsWrap(t *testing.T) {
	for _, gap := range []int{1<<16 - 1, 1 << 16, 1<<16 + 1, 1<<16 + 40, 1 << 17} {
		e, p := newEncoder(15, true, 1), newPeer(15, true)
		random := rand.New(rand.NewPCG(1, uint64(gap)))
		mark := contents[2].make(random, 40)
		p.receive(t, e.Append(nil, mark), mark)
		for sent := len(mark); sent < gap; {
			m := bytes.Repeat([]byte{'z'}, min(1000, gap-sent))
			p.receive(t, e.Append(nil, m), m)
			sent += len(m)
		}
		p.receive(t, e.Append(nil, mark), mark)
	}
}
