package guardpage

import (
	"os"
	"syscall"
	"testing"
)

// New returns one page between two inaccessible pages. It is unmapped when the
// test ends.
func New(tb testing.TB) []byte {
	size := os.Getpagesize()
	mem, err := syscall.Mmap(-1, 0, 3*size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		tb.Fatal("mmap:", err)
	}
	tb.Cleanup(func() {
		if err := syscall.Munmap(mem); err != nil {
			tb.Error("munmap:", err)
		}
	})
	for _, guard := range [][]byte{mem[:size], mem[2*size:]} {
		if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
			tb.Fatal("mprotect:", err)
		}
	}
	return mem[size : 2*size : 2*size]
}
