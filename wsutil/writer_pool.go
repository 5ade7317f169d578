package wsutil

import (
	"io"
	"math/bits"
	"sync"

	"github.com/wskit/wskit/ws"
)

// Sizes of the buffers of pooled Writers, as binary logarithms.
const (
	leastWriter = 7
	mostWriter  = 16
)

var writers [mostWriter + 1]sync.Pool

// GetWriter returns a [Writer] with a buffer of n bytes or more, up to 14 of them
// for the header: from a pool if n is at most 64 KiB. It is as new. When it is no
// longer used, [PutWriter] gives it back. It panics as make does where a slice of n bytes
// cannot be.
func GetWriter(dest io.Writer, s ws.State, op ws.OpCode, n int) *Writer {
	class := bits.Len(uint(max(n, 1<<leastWriter) - 1))
	if class > mostWriter {
		return NewWriterBufferSize(dest, s, op, n)
	}
	if w, ok := writers[class].Get().(*Writer); ok {
		w.Reset(dest, s, op)
		return w
	}
	return NewWriterBufferSize(dest, s, op, 1<<class)
}

// PutWriter gives w to the pool of [GetWriter], wherever it comes from; a buffer
// that its caller had provided, or of more than 64 KiB, is not kept. What w has
// buffered is lost. w may not be used any longer, [Writer.Reset] included: until the
// pool lends it again its methods return an error, and a second PutWriter does
// nothing, so that a slip shows.
func PutWriter(w *Writer) {
	if w.err == errReleased {
		return
	}
	*w = Writer{raw: w.raw, room: w.room, borrowed: w.borrowed, err: errReleased}
	class := bits.Len(uint(len(w.raw))) - 1
	if leastWriter <= class && class <= mostWriter && len(w.raw) <= 1<<mostWriter && !w.borrowed {
		writers[class].Put(w)
	}
}
