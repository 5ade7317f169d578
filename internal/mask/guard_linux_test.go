package mask

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/wskit/wskit/internal/mask/guardpage"
)

// Slices that begin or end where memory does: a load or store outside faults.
func TestGuardPages(t *testing.T) {
	rng := rand.New(rand.NewPCG(6455, 4))
	page, other := guardpage.New(t), guardpage.New(t)
	for _, k := range all {
		for n := range 301 {
			pos, key := n&3, testKey(rng)
			src := input(rng, n, key, pos)
			want := make([]byte, n)
			naive(want, src, key, pos)
			for _, p := range [][]byte{page[:n], page[len(page)-n:]} {
				copy(p, src)
				k.apply(p, p, Word(key, pos))
				if !bytes.Equal(want, p) {
					t.Fatalf("%s: length %d in place", k.name, n)
				}
				q := other[len(other)-n:]
				copy(p, src)
				k.apply(q, p, Word(key, pos))
				if !bytes.Equal(want, q) {
					t.Fatalf("%s: length %d to another page", k.name, n)
				}
			}
		}
	}
}
