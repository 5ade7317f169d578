//go:build purego || !(amd64 || arm64)

package deflate

import "encoding/binary"

// load64 returns the 8 bytes of b at i as a little-endian word.
func load64(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

// store64 writes v to the 8 bytes of b at i in little-endian order.
func store64(b []byte, i int, v uint64) { binary.LittleEndian.PutUint64(b[i:], v) }
