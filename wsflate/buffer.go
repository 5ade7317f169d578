package wsflate

import "sync"

// bufferSize is the room in a buffer: for a part of a message.
const bufferSize = 16 << 10

// maxBuffer is the room above which a buffer is left to the garbage collector.
const maxBuffer = 64 << 10

// A buffer is lent from a pool while a message is open.
type buffer struct{ b []byte }

var buffers = sync.Pool{New: func() any { return &buffer{make([]byte, 0, bufferSize)} }}

func borrow() *buffer { return buffers.Get().(*buffer) }

// giveBack takes back a buffer, or nil.
func (b *buffer) giveBack() {
	if b != nil && cap(b.b) <= maxBuffer {
		b.b = b.b[:0]
		buffers.Put(b)
	}
}
