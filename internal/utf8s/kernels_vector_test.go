//go:build !purego && (amd64 || arm64)

package utf8s

// vector makes an assembly function callable for lengths that it does not take.
func vector(name string, asm func(p *byte, n int) bool) kernel {
	return kernel{name, func(p []byte) bool {
		if len(p) < wide {
			return validGeneric(p)
		}
		return asm(&p[0], len(p))
	}}
}
