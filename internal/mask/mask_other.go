//go:build purego || (!amd64 && !arm64)

package mask

func apply(dst, src []byte, key uint32) { applyGeneric(dst, src, key) }

func applyASCII(p []byte, key uint32) bool { return applyASCIIGeneric(p, key) }
