//go:build amd64 && !purego

package utf8s

import "github.com/wskit/wskit/internal/mask/cpu"

// Texts of these lengths are unmasked and validated in one pass. Longer texts
// do not stall between the two passes.
const (
	leastAtOnce = 8
	mostAtOnce  = 256
)

func unmask(p []byte, key uint32) (ok bool) {
	if cpu.AVX2 {
		return unmaskAVX2(&p[0], len(p), key)
	}
	return unmaskGeneric(p, key)
}

// unmaskAVX2 is unmaskGeneric for n bytes, from leastAtOnce to mostAtOnce.
//
//go:noescape
func unmaskAVX2(p *byte, n int, key uint32) (ok bool)
