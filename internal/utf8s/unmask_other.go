//go:build purego || !amd64

package utf8s

// No text is unmasked and validated in one pass.
const (
	leastAtOnce = 1
	mostAtOnce  = 0
)

func unmask(p []byte, key uint32) (ok bool) { return unmaskGeneric(p, key) }
