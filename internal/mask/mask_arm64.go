//go:build arm64 && !purego

package mask

const vectors = true

func applyLong(dst, src []byte, key uint32) (ascii bool) {
	return applyNEON(&dst[0], &src[0], len(src), key)
}

// applyNEON writes n bytes of src, masked, to dst and reports whether the
// result is ASCII. n is greater than short.
//
//go:noescape
func applyNEON(dst, src *byte, n int, key uint32) (ascii bool)
