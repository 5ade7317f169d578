package deflate

import (
	"sync"
	"weak"

	"github.com/klauspost/compress/flate"
)

// A compressor is a writer of klauspost/compress and where it writes to. The last
// three fields are guarded by compressorsMu.
type compressor struct {
	w   *flate.Writer
	out sink

	pool   *sync.Pool // that it belongs to
	pooled bool       // it lies in pool
	busy   bool       // an Encoder uses it
	turn   uint64     // which of all uses was its last
}

// A sink gathers what is written.
type sink []byte

func (s *sink) Write(p []byte) (int, error) {
	*s = append(*s, p...)
	return len(p), nil
}

// compressors are by level with a window of 15 bits, and by bits with a smaller one.
// One that lies in a pool may be taken out of turn, by the Encoder that has used it
// last: see warm.
var (
	byLevel, byBits [16]sync.Pool
	compressorsMu   sync.Mutex
	turns           uint64 // how often a compressor was given back; guarded by compressorsMu
)

// warm is the compressor that holds the context of an Encoder as its last message has
// left it, unless another one has used it since or the garbage collector took it.
type warm struct {
	c    weak.Pointer[compressor]
	turn uint64
}

// encodeLarge compresses p by klauspost/compress, with the window as its dictionary.
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
		return out[:len(dst)], false // with the room it has now, for the next one
	}
	if e.takeover || e.open {
		e.window.enter(p, len(out)-len(dst))
		e.warm = warm{weak.Make(c), turn}
	}
	return out, true
}

// dictionary returns what a compressor is to refer to.
func (e *Encoder) dictionary() []byte {
	if !e.takeover && !e.open {
		return nil
	}
	w := e.openWindow()
	// What lies out of reach is never referred to, but would be indexed: that is all that
	// leaving it out saves.
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

// claim makes c, which was got from its pool, busy. It reports false if c is in use.
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

// giveBack ends the use of c, and returns its turn.
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

// compressor returns one for e's parameters.
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
