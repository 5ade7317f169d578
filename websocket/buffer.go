package websocket

import (
	"math/bits"
	"sync"
)

// buffer is memory from a pool. A connection holds one only while there is something
// in it. nil stands for none.
type buffer struct {
	b     []byte // of length 0, all of its capacity free to use
	class int    // of the pool that it goes back to, or classCount for none
}

// A buffer of class n has a capacity of minBuffer<<(2*n): the last class has 1 MiB.
// Larger ones are left to the garbage collector.
const (
	minBuffer  = 1 << 10
	classCount = 6
)

var buffers [classCount]sync.Pool

// newBuffer returns a buffer with room for n bytes.
func newBuffer(n int) *buffer {
	class := 0
	if n > minBuffer {
		class = (bits.Len(uint(n-1)/minBuffer) + 1) / 2
	}
	if class >= classCount {
		return &buffer{make([]byte, 0, n), classCount}
	}
	if b := pooled(class); b != nil {
		return b
	}
	return &buffer{make([]byte, 0, minBuffer<<(2*class)), class}
}

// pooled returns a buffer of the class if the pool has one, or nil.
func pooled(class int) *buffer {
	b, _ := buffers[class].Get().(*buffer)
	return b
}

// all returns the whole memory of b.
func (b *buffer) all() []byte { return b.b[:cap(b.b)] }

// grown has p, which begins in b or beyond its end, take the place of b's memory if an
// append has moved it.
func (b *buffer) grown(p []byte) {
	if cap(p) > cap(b.b) {
		b.b, b.class = p[:0], classCount
	}
}

// free gives b back to its pool.
func (b *buffer) free() {
	if b != nil && b.class < classCount {
		buffers[b.class].Put(b)
	}
}
