//go:build !purego && (amd64 || arm64)

package deflate

import "unsafe"

// load64 returns the 8 bytes of b at i as a little-endian word. The caller must
// ensure 0 <= i <= len(b)-8. In find, the condition of the loop ensures it for
// i and all smaller indices.
func load64(b []byte, i int) uint64 {
	return *(*uint64)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i))
}

// store64 writes v to the 8 bytes of b at i in little-endian order. The caller
// must ensure 0 <= i <= len(b)-8.
func store64(b []byte, i int, v uint64) {
	*(*uint64)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i)) = v
}
