package wsutil

import (
	"io"
	"math/bits"
	"sync"

	"github.com/wskit/wskit/ws"
)

// Sizes of the buffers of pooled Writers, as binary logarithms.
const (
	minWriter = 7
	maxWriter = 16
)

var writers [maxWriter + 1]sync.Pool

// GetWriter returns a [Writer] with a buffer of at least n bytes, of which up
// to 14 are for the header. It takes the Writer from a pool if n is at most 64
// KiB. [PutWriter] returns it to the pool. GetWriter panics if n is larger than
// a slice can be.
func GetWriter(dest io.Writer, s ws.State, op ws.OpCode, n int) *Writer {
	class := bits.Len(uint(max(n, 1<<minWriter) - 1))
	if class > maxWriter {
		return NewWriterBufferSize(dest, s, op, n)
	}
	if w, ok := writers[class].Get().(*Writer); ok {
		w.Reset(dest, s, op)
		return w
	}
	return NewWriterBufferSize(dest, s, op, 1<<class)
}

// PutWriter returns w to the pool of [GetWriter], even if w was made by another
// function. It does not keep a buffer that the caller provided or that has more
// than 64 KiB. Buffered data is lost. The caller must not use w again, not even
// with [Writer.Reset]: the methods of w return an error, and another PutWriter
// does nothing, until GetWriter returns w again.
func PutWriter(w *Writer) {
	if w.err == errReleased {
		return
	}
	*w = Writer{raw: w.raw, room: w.room, borrowed: w.borrowed, err: errReleased}
	class := bits.Len(uint(len(w.raw))) - 1
	if minWriter <= class && class <= maxWriter && len(w.raw) <= 1<<maxWriter && !w.borrowed {
		writers[class].Put(w)
	}
}
