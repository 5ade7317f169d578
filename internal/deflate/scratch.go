package deflate

import "sync"

// maxOwn is the size of the largest message that this package's encoder compresses.
const maxOwn = 32 << 10

// A scratch is what compressing a message takes and what is not held afterwards.
type scratch struct {
	finder
	joint []byte // a window and a large message behind it

	// For messages that stand alone: as positions go on from one to the next,
	// what is left in own of earlier ones lies too far back, until positions
	// start again.
	own table
	pos int
}

var scratches = sync.Pool{New: func() any { return &scratch{pos: 1} }}

func borrow() *scratch { return scratches.Get().(*scratch) }

func (w *scratch) giveBack() {
	w.table = nil
	scratches.Put(w)
}

// alone writes p as items, a message that refers to nothing before it.
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

// within writes buf[start:] as items, which follows what win holds.
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
