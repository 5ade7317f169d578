package wsutil

import (
	"math"
	"math/bits"
	"sync"

	"github.com/wskit/wskit/ws"
)

// buffer is memory from a pool, for bytes that do not lie in one piece anywhere else.
// A nil buffer is an empty one.
type buffer struct {
	b     []byte
	class int // of the pool that it goes back to, or classCount for none
}

// A buffer of class n is for minBuffer<<n bytes and a header, so that a frame whose
// payload is a power of two does not take the double; it is less than twice as large as
// what was asked for. The last class has 4 MiB. Larger buffers are left to the garbage
// collector.
const (
	minBuffer  = 512
	classCount = 14
)

var buffers [classCount]sync.Pool

// newBuffer returns an empty buffer with room for n bytes.
func newBuffer(n int) *buffer {
	class := bits.Len(uint(max(n-ws.MaxHeaderSize, 1)-1) / minBuffer)
	if class >= classCount {
		return &buffer{make([]byte, 0, n+min(n, math.MaxInt-n)), classCount}
	}
	if b, ok := buffers[class].Get().(*buffer); ok {
		return b
	}
	return &buffer{make([]byte, 0, classSize(class)), class}
}

func classSize(class int) int { return minBuffer<<class + ws.MaxHeaderSize }

// append returns a buffer that has p behind what is in b. That may be another one, and
// b was freed then.
func (b *buffer) append(p []byte) *buffer {
	if b == nil {
		b = newBuffer(len(p))
	}
	if len(p) > cap(b.b)-len(b.b) {
		larger := newBuffer(len(b.b) + len(p))
		larger.b = append(larger.b, b.b...)
		b.free()
		b = larger
	}
	b.b = append(b.b, p...)
	return b
}

// free gives b back to its pool and returns nil, to be stored where b was.
func (b *buffer) free() *buffer {
	if b != nil && b.class < classCount {
		b.b = b.b[:0]
		buffers[b.class].Put(b)
	}
	return nil
}
