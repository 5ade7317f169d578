//go:build amd64 && !purego

package mask

import "github.com/wskit/wskit/internal/mask/cpu"

const vectors = true

// hasAVX2 is used by applyVector. If Go code chose between two functions,
// applyLong would not be inlined.
//
//lint:ignore U1000 the assembly reads it
var hasAVX2 = cpu.AVX2

func applyLong(dst, src []byte, key uint32) (ascii bool) {
	return applyVector(&dst[0], &src[0], len(src), key)
}

// applyVector is applyAVX2 or applySSE2.
//
//go:noescape
func applyVector(dst, src *byte, n int, key uint32) (ascii bool)

// applyAVX2 and applySSE2 write n bytes of src, masked, to dst and report
// whether the result is ASCII. n is greater than short.
//
//go:noescape
func applyAVX2(dst, src *byte, n int, key uint32) (ascii bool)

//go:noescape
func applySSE2(dst, src *byte, n int, key uint32) (ascii bool)
