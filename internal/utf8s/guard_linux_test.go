package utf8s

import (
	"math/rand/v2"
	"testing"
	"unicode/utf8"

	"github.com/wskit/wskit/internal/mask/guardpage"
)

// Slices that begin or end where memory does: a load outside faults.
func TestGuardPages(t *testing.T) {
	rng := rand.New(rand.NewPCG(3629, 3))
	page := guardpage.New(t)
	for _, k := range all {
		for n := range 301 {
			for range 4 {
				text := noise(rng, n)
				want := utf8.Valid(text)
				for _, p := range [][]byte{page[:n], page[len(page)-n:]} {
					copy(p, text)
					if k.valid(p) != want {
						t.Fatalf("%s: %q", k.name, p)
					}
				}
			}
		}
	}
}
