//go:build purego || (!amd64 && !arm64)

package mask

const vectors = false

func applyLong(dst, src []byte, key uint32) (ascii bool) {
	applyGeneric(dst, src, key)
	return false
}
