//go:build arm64 && !purego

package mask

func apply(dst, src []byte, key uint32) {
	if len(src) <= short {
		applyShort(dst, src, key)
		return
	}
	dst = dst[:len(src)]
	applyNEON(&dst[0], &src[0], len(src), key)
}

func applyASCII(p []byte, key uint32) bool {
	if len(p) <= short {
		return applyShort(p, p, key)
	}
	return applyNEON(&p[0], &p[0], len(p), key)
}

// applyNEON writes n bytes of src, masked, to dst and reports whether the result
// is all ASCII. n is more than short.
//
//go:noescape
func applyNEON(dst, src *byte, n int, key uint32) (ascii bool)
