package deflate

import "sync"

// maxOwn is the size of the largest message that this package's encoder
// compresses.
const maxOwn = 32 << 10

// A scratch is the temporary memory for compressing a message.
type scratch struct {
	finder
	joint []byte // a window followed by a large message

	// For messages without a context. Positions increase from message to
	// message, so entries of earlier messages are out of reach. The table is
	// cleared when positions restart.
	own table
	pos int
}

var scratches = sync.Pool{New: func() any { return &scratch{pos: 1} }}

func borrow() *scratch { return scratches.Get().(*scratch) }

func (w *scratch) giveBack() {
	w.table = nil
	scratches.Put(w)
}

// alone converts p, a message without a context, to items.
func (w *scratch) alone(p []byte, reach int) {
	if w.pos+len(p) > 1<<16 {
		clear(w.own[:])
		w.pos = 1
	}
	w.prepare(len(p))
	w.table, w.base, w.reach, w.prime = &w.own, uint16(w.pos), reach, sixBytes
	if len(p) < 1<<10 {
		w.prime = fourBytes
	}
	w.find(p, 0)
	w.pos += len(p)
}

// within converts buf[start:], which follows the window, to items.
func (w *scratch) within(buf []byte, start int, win *window) {
	w.prepare(len(buf) - start)
	w.table, w.base, w.reach, w.prime = win.table, uint16(win.base), win.reach, sixBytes
	w.find(buf, start)
}

// prepare makes room for the items of n bytes.
func (w *scratch) prepare(n int) {
	if n += 8; n > len(w.items) {
		w.items = make([]item, max(n, 2*len(w.items), 1<<10))
	}
	w.n = 0
}
