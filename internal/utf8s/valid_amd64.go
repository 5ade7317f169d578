//go:build amd64 && !purego

package utf8s

import "github.com/wskit/wskit/internal/mask/cpu"

// wide is the length from which the kernel can be used and pays.
const wide = 4

func valid(p []byte) bool {
	if len(p) >= wide && cpu.AVX2 {
		return validAVX2(&p[0], len(p))
	}
	return validGeneric(p)
}

// validAVX2 is validGeneric for n bytes, which are at least wide.
//
//go:noescape
func validAVX2(p *byte, n int) (ok bool)
