package wsflate

import (
	"io"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/internal/deflate"
)

// What ends a message for compressors and decompressors that know nothing of messages: RFC
// 7692, section 7.2. Our own know of the tail by themselves.
const (
	// readTail is what a decompressor gets behind the payload: what the sender left off, and an
	// empty last block, so that it comes to an end (RFC 1951, section 3.2.3).
	readTail = deflate.Tail + "\x01" + deflate.Tail

	// emptyMessage is that of our own encoder, with the tail (RFC 7692, section 7.2.3.6).
	emptyMessage = "\x00" + deflate.Tail
)

// tailWriter passes on what is written to it, and always holds the last four bytes back, in
// whatever pieces they come: at the end of a message they are the tail, and are dropped.
type tailWriter struct {
	dest io.Writer
	held [len(deflate.Tail)]byte
	n    int // bytes in held
}

// Write writes p but for the last four bytes written in all.
func (t *tailWriter) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	out := t.n + len(p) - len(t.held) // bytes to pass on
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

// tailReader yields a payload in a buffer of its own and, if asked to, the tail behind it. Byte
// by byte it is as fast: what decodes DEFLATE wants an io.ByteReader, and reads too far ahead
// from anything else.
type tailReader struct {
	src  io.Reader
	room *bufpool.Buffer // borrowed until the payload ends
	size int             // of a read into room
	full bool            // the last read has filled it
	p    []byte          // in room, what was read and not yet taken
	tail string          // what is to follow
	err  error           // of src: io.EOF at the end of the payload

	taken int64 // bytes that Read and ReadByte have returned
}

// firstRead is the size of the first read of a payload.
const firstRead = 1 << 10

// emptyReads is how many reads in a row may yield nothing before we give up.
const emptyReads = 100

// fill reads the next bytes of the payload into p, if it is empty. It reports whether
// there are any.
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

// borrow makes room for the next read. Room grows only when a read has filled
// it: a message that stalls holds about as much as has arrived.
func (t *tailReader) borrow() {
	if t.room != nil && (!t.full || t.size == partSize) {
		return
	}
	t.release()
	t.size = min(max(4*t.size, firstRead), partSize)
	t.room = bufpool.Get(t.size)
}

// exhausted reports whether all has been taken, the tail, too.
func (t *tailReader) exhausted() bool { return len(t.p) == 0 && t.err == io.EOF && t.tail == "" }

// release gives the buffer back.
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
