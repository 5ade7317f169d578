package deflate

import (
	"sync"
	"weak"

	"github.com/klauspost/compress/flate"
)

// A compressor is a writer of klauspost/compress with its destination.
// compressorsMu guards the last three fields.
type compressor struct {
	w   *flate.Writer
	out sink

	pool   *sync.Pool // that it belongs to
	pooled bool       // it lies in pool
	busy   bool       // an Encoder uses it
	turn   uint64     // number of its last use
}

// A sink collects written bytes.
type sink []byte

func (s *sink) Write(p []byte) (int, error) {
	*s = append(*s, p...)
	return len(p), nil
}

// compressors holds pools by level for a window of 15 bits, and by bits for
// smaller windows. The Encoder that used a compressor last may take it from the
// pool directly: see warm.
var (
	byLevel, byBits [16]sync.Pool
	compressorsMu   sync.Mutex
	turns           uint64 // number of uses of all compressors; guarded by compressorsMu
)

// warm refers to the compressor that still holds the context of an Encoder,
// unless another Encoder has used it since or it was garbage collected.
type warm struct {
	c    weak.Pointer[compressor]
	turn uint64
}

// encodeLarge compresses p with klauspost/compress, with the window as its
// dictionary.
func (e *Encoder) encodeLarge(dst, p []byte, limit int) ([]byte, bool) {
	c := e.warm.take()
	e.warm = warm{}
	if c != nil {
		c.out = dst
	} else {
		c = e.compressor()
		c.out = dst
		c.w.ResetDict(&c.out, e.dictionary())
	}
	_, err := c.w.Write(p)
	if err == nil {
		err = c.w.Flush()
	}
	if err != nil {
		panic("deflate: " + err.Error()) // a sink never fails
	}
	out := c.out[:len(c.out)-len(Tail)]
	c.out = nil
	turn := c.giveBack()
	if len(out)-len(dst) >= limit {
		return out[:len(dst)], false // keeps the capacity for the next message
	}
	if e.takeover || e.open {
		e.window.enter(p, len(out)-len(dst))
		e.warm = warm{weak.Make(c), turn}
	}
	return out, true
}

// dictionary returns the context for a compressor.
func (e *Encoder) dictionary() []byte {
	if !e.takeover && !e.open {
		return nil
	}
	w := e.openWindow()
	// Bytes out of reach are never referred to. Omitting them only saves
	// indexing.
	return w.buf[max(0, len(w.buf)-w.reach):]
}

// take returns the compressor if it still holds the context, or nil.
func (w warm) take() *compressor {
	c := w.c.Value()
	if c == nil {
		return nil
	}
	compressorsMu.Lock()
	defer compressorsMu.Unlock()
	if c.busy || c.turn != w.turn {
		return nil
	}
	c.busy = true
	return c
}

// claim marks c, which came from its pool, as busy. It returns false if c is in
// use.
func (c *compressor) claim() bool {
	compressorsMu.Lock()
	defer compressorsMu.Unlock()
	c.pooled = false
	if c.busy {
		return false
	}
	c.busy = true
	return true
}

// giveBack ends the use of c and returns the number of that use.
func (c *compressor) giveBack() uint64 {
	compressorsMu.Lock()
	defer compressorsMu.Unlock()
	turns++
	c.turn, c.busy = turns, false
	if !c.pooled {
		c.pooled = true
		c.pool.Put(c)
	}
	return c.turn
}

// compressor returns a compressor for the parameters of e.
func (e *Encoder) compressor() *compressor {
	small := e.reach() < 1<<MaxBits
	pool := &byLevel[max(e.level, 1)]
	if small {
		pool = &byBits[e.bits]
	}
	for c, ok := pool.Get().(*compressor); ok; c, ok = pool.Get().(*compressor) {
		if c.claim() {
			return c
		}
	}
	c := &compressor{pool: pool, busy: true}
	var err error
	if small {
		c.w, err = flate.NewWriterWindow(&c.out, e.reach())
	} else {
		c.w, err = flate.NewWriter(&c.out, int(max(e.level, 1)))
	}
	if err != nil {
		panic("deflate: " + err.Error()) // the parameters are in bounds
	}
	return c
}
