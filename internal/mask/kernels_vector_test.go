//go:build !purego && (amd64 || arm64)

package mask

// vector makes an assembly function callable for lengths that it does not take.
func vector(name string, asm func(dst, src *byte, n int, key uint32) bool) kernel {
	return kernel{name, func(dst, src []byte, key uint32) bool {
		if len(src) <= short {
			return apply(dst, src, key)
		}
		return asm(&dst[0], &src[0], len(src), key)
	}}
}
