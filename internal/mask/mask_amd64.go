//go:build amd64 && !purego

package mask

import "github.com/wskit/wskit/internal/mask/cpu"

func apply(dst, src []byte, key uint32) {
	if len(src) <= short {
		applyShort(dst, src, key)
		return
	}
	dst = dst[:len(src)]
	if cpu.AVX2 {
		applyAVX2(&dst[0], &src[0], len(src), key)
	} else {
		applySSE2(&dst[0], &src[0], len(src), key)
	}
}

func applyASCII(p []byte, key uint32) bool {
	switch {
	case len(p) <= short:
		return applyShort(p, p, key)
	case cpu.AVX2:
		return applyAVX2(&p[0], &p[0], len(p), key)
	default:
		return applySSE2(&p[0], &p[0], len(p), key)
	}
}

// applyAVX2 and applySSE2 write n bytes of src, masked, to dst and report whether
// the result is all ASCII. n is more than short.
//
//go:noescape
func applyAVX2(dst, src *byte, n int, key uint32) (ascii bool)

//go:noescape
func applySSE2(dst, src *byte, n int, key uint32) (ascii bool)
