//go:build !purego && (amd64 || arm64)

package deflate

import "unsafe"

// load64 returns the 8 bytes of b from i on, first byte lowest. 0 <= i <= len(b)-8 is
// the caller's to see to: find has it from its loop's condition, and from there for all that lies before.
func load64(b []byte, i int) uint64 {
	return *(*uint64)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i))
}

// store64 writes v to the 8 bytes of b from i on, first byte lowest. 0 <= i <= len(b)-8 is
// the caller's to see to.
func store64(b []byte, i int, v uint64) {
	*(*uint64)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i)) = v
}
