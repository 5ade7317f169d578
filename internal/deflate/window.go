package deflate

import (
	"math/bits"
	"sync"
	"unsafe"
)

// A window holds the bytes before the current message that matches may refer
// to, and a table of the last positions of four bytes.
//
// Positions count all bytes of the context. The table stores their low 16 bits.
// An outdated position is harmless, because the bytes there are compared.
type window struct {
	buf   []byte // the last sent bytes; at most reach+slack
	table *table // by hash: the position of the latest occurrence
	base  uint32 // the position of buf[0]
	reach int    // 2^bits
	sent  int    // compressed size of the entered messages, up to reach
	stale bool   // the table lacks entered messages

	// The length of buf before the last message entered, or negative if that
	// state cannot be restored.
	before int
}

// slack is the number of bytes that can enter a window before it moves to the
// front of its buffer.
func slack(reach int) int { return max(reach/2, 1<<10) }

// perSent is the maximum number of bytes in a window for each sent compressed
// byte. Data that profits from a window has a smaller ratio. An echo of 32 KiB
// of zeros, for which a peer sends 50 bytes, has a larger one.
const perSent = 32

// keep returns the number of bytes that the window should hold, without the
// slack.
func (w *window) keep() int { return min(w.reach, perSent*w.sent) }

// full returns the maximum number of bytes in the window.
func (w *window) full() int { return w.keep() + slack(w.keep()) }

// credit records n sent compressed bytes.
func (w *window) credit(n int) { w.sent = min(w.sent+n, w.reach) }

// windows holds the unused windows, by bits.
var windows [MaxBits + 1]sync.Pool

// newWindow returns an empty window of 2^bits bytes.
func newWindow(bits uint8) *window {
	w, ok := windows[bits].Get().(*window)
	if !ok {
		return &window{reach: 1 << bits, base: 1, before: -1}
	}
	w.buf, w.base, w.sent, w.stale, w.before = w.buf[:0], 1, 0, false, -1
	if w.table != nil {
		clear(w.table[:])
	}
	return w
}

// release returns w to its pool.
func (w *window) release() { windows[bits.TrailingZeros(uint(w.reach))].Put(w) }

// size returns the memory of w in bytes.
func (w *window) size() int {
	n := int(unsafe.Sizeof(*w)) + cap(w.buf)
	if w.table != nil {
		n += int(unsafe.Sizeof(*w.table))
	}
	return n
}

// extend returns a buffer that contains the window followed by p at start.
// Unless p is large, it is the window's own buffer. The caller must call
// settle.
func (w *window) extend(p []byte, s *scratch) (buf []byte, start int) {
	w.index()
	if len(w.buf)+len(p) > w.full() {
		w.trim(w.keep())
	}
	if len(w.buf)+len(p) <= w.full() {
		w.buf = w.room(len(p))
		return append(w.buf, p...), len(w.buf)
	}
	s.joint = append(append(s.joint[:0], w.buf...), p...)
	return s.joint, len(w.buf)
}

// settle ends extend. entered says whether the message has entered the window,
// in size compressed bytes.
func (w *window) settle(buf []byte, start int, entered bool, size int) {
	if !entered {
		return
	}
	w.credit(size)
	if cap(w.buf) > 0 && &buf[0] == &w.buf[:1][0] {
		w.before = start
		w.buf = w.buf[:len(buf)]
		return
	}
	w.before = -1
	kept := min(len(buf), w.keep())
	w.base += uint32(len(buf) - kept)
	w.buf = append(w.room(kept - len(w.buf))[:0], buf[len(buf)-kept:]...)
}

// undo removes the last message and reports whether that was possible. The
// table keeps its positions, which is harmless.
func (w *window) undo() bool {
	if w.before < 0 {
		return false
	}
	w.buf, w.before = w.buf[:w.before], -1
	return true
}

// trim moves the last n bytes to the front of the buffer and drops the bytes
// before them.
func (w *window) trim(n int) {
	if cut := len(w.buf) - n; cut > 0 {
		w.base += uint32(cut)
		w.buf = append(w.buf[:0], w.buf[cut:]...)
	}
}

// room returns the buffer with space for n more bytes. It doubles up to its
// full size.
func (w *window) room(n int) []byte {
	if len(w.buf)+n <= cap(w.buf) {
		return w.buf
	}
	full := w.reach + slack(w.reach)
	size := max(2*cap(w.buf), 512)
	for size < len(w.buf)+n {
		size *= 2
	}
	return append(make([]byte, 0, min(size, full)), w.buf...)
}

// index updates the table, and allocates it if there is none.
func (w *window) index() {
	if w.table == nil {
		w.table, w.stale = new(table), true
	}
	if w.stale {
		w.table.noteAll(w.buf, 0, uint16(w.base))
		w.stale = false
	}
}

// enter adds p, which was compressed elsewhere to size bytes. The table is
// updated later, when it is needed, because large messages often come in a row.
func (w *window) enter(p []byte, size int) {
	w.credit(size)
	if len(p) > w.keep() {
		skipped := len(p) - w.keep()
		w.base += uint32(skipped)
		p = p[skipped:]
	}
	if len(w.buf)+len(p) > w.full() {
		w.trim(w.keep() - len(p))
	}
	w.before = len(w.buf)
	w.buf = append(w.room(len(p)), p...)
	w.stale = w.table != nil
}
