package wsflate

import (
	"io"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/internal/deflate"
)

// The end of a message for compressors and decompressors of the caller (RFC
// 7692, section 7.2). Those of this package handle the tail themselves.
const (
	// readTail follows the payload in the input of a decompressor: the tail
	// that the sender removed, and an empty final block, so that the
	// decompressor returns io.EOF (RFC 1951, section 3.2.3).
	readTail = deflate.Tail + "\x01" + deflate.Tail

	// emptyMessage is an empty message with the tail, as our encoder produces
	// it (RFC 7692, section 7.2.3.6).
	emptyMessage = "\x00" + deflate.Tail
)

// tailWriter forwards all written bytes but the last four, which it holds back.
// At the end of a message they are the tail, and are dropped.
type tailWriter struct {
	dest io.Writer
	held [len(deflate.Tail)]byte
	n    int // bytes in held
}

// Write implements io.Writer.
func (t *tailWriter) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	out := t.n + len(p) - len(t.held) // bytes to forward
	if out <= 0 {
		t.n += copy(t.held[t.n:], p)
		return len(p), nil
	}
	held := min(out, t.n)
	if held > 0 {
		if _, err := t.dest.Write(t.held[:held]); err != nil {
			return 0, err
		}
	}
	if out > held {
		if _, err := t.dest.Write(p[:out-held]); err != nil {
			return 0, err
		}
	}
	t.n = copy(t.held[:], t.held[held:t.n])
	t.n += copy(t.held[t.n:], p[out-held:])
	return len(p), nil
}

// atTail reports whether the four bytes held are the tail.
func (t *tailWriter) atTail() bool { return string(t.held[:t.n]) == deflate.Tail }

// tailReader reads a payload through a buffer of its own, followed by the tail
// if requested. It implements io.ByteReader, because decoders of DEFLATE read
// too far ahead from other readers.
type tailReader struct {
	src  io.Reader
	room *bufpool.Buffer // borrowed until the payload ends
	size int             // of a read into room
	full bool            // the last read has filled it
	p    []byte          // in room: read from src, not yet returned
	tail string          // follows the payload
	err  error           // of src: io.EOF at the end of the payload

	taken int64 // bytes that Read and ReadByte have returned
}

// firstRead is the size of the first read of a payload.
const firstRead = 1 << 10

// emptyReads is the number of consecutive empty reads after which a read fails.
const emptyReads = 100

// fill reads the next bytes of the payload into p, if it is empty. It reports
// whether there are any.
func (t *tailReader) fill() bool {
	for empty := 0; len(t.p) == 0; empty++ {
		if empty == emptyReads && t.err == nil {
			t.err = io.ErrNoProgress
		}
		if t.err != nil {
			return false
		}
		t.borrow()
		var n int
		n, t.err = t.src.Read(t.room.All()[:t.size])
		t.p = t.room.B[:n]
		t.full = n == t.size
	}
	return true
}

// borrow makes room for the next read. The room grows only after a read has
// filled it, so that a stalled message holds about as much memory as has
// arrived.
func (t *tailReader) borrow() {
	if t.room != nil && (!t.full || t.size == partSize) {
		return
	}
	t.release()
	t.size = min(max(4*t.size, firstRead), partSize)
	t.room = bufpool.Get(t.size)
}

// exhausted reports whether everything was returned, including the tail.
func (t *tailReader) exhausted() bool { return len(t.p) == 0 && t.err == io.EOF && t.tail == "" }

// release returns the buffer to its pool.
func (t *tailReader) release() {
	t.room.Free()
	t.room, t.p = nil, nil
}

// Read implements io.Reader.
func (t *tailReader) Read(p []byte) (n int, err error) {
	switch {
	case t.fill():
		n = copy(p, t.p)
		t.p = t.p[n:]
	case t.err != io.EOF || t.tail == "":
		return 0, t.err
	default:
		n = copy(p, t.tail)
		t.tail = t.tail[n:]
	}
	t.taken += int64(n)
	return n, nil
}

// ReadByte implements io.ByteReader.
func (t *tailReader) ReadByte() (c byte, err error) {
	switch {
	case t.fill():
		c, t.p = t.p[0], t.p[1:]
	case t.err != io.EOF || t.tail == "":
		return 0, t.err
	default:
		c, t.tail = t.tail[0], t.tail[1:]
	}
	t.taken++
	return c, nil
}
