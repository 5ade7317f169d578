//go:build arm64 && !purego

package utf8s

// wide is the length from which the kernel can be used and pays.
const wide = 8

func valid(p []byte) bool {
	if len(p) >= wide {
		return validNEON(&p[0], len(p))
	}
	return validGeneric(p)
}

// validNEON is validGeneric for n bytes, which are at least wide.
//
//go:noescape
func validNEON(p *byte, n int) (ok bool)
