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

// Matches of any length are cut so that no piece is shorter than a match may be.
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

// Positions are kept modulo 65536: what lies exactly that far back looks as if it were
// here, and what lies further back as if it were near.
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
