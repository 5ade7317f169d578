package deflate

import (
	"sync"

	"github.com/klauspost/compress/flate"
)

// A compressor is a writer of klauspost/compress and where it writes to.
type compressor struct {
	w   *flate.Writer
	out sink
}

// A sink gathers what is written.
type sink []byte

func (s *sink) Write(p []byte) (int, error) {
	*s = append(*s, p...)
	return len(p), nil
}

// compressors are by level with a window of 15 bits, and by bits with a smaller one.
var byLevel, byBits [16]sync.Pool

// encodeLarge compresses p by klauspost/compress, with the window as its dictionary.
func (e *Encoder) encodeLarge(dst, p []byte, limit int) ([]byte, bool) {
	c, pool := e.compressor()
	var dict []byte
	if e.takeover || e.open {
		w := e.openWindow()
		// What lies out of reach is never referred to, but would be indexed: that is all that
		// leaving it out saves.
		dict = w.buf[max(0, len(w.buf)-w.reach):]
	}
	c.out = dst
	c.w.ResetDict(&c.out, dict)
	_, err := c.w.Write(p)
	if err == nil {
		err = c.w.Flush()
	}
	if err != nil {
		panic("deflate: " + err.Error()) // a sink never fails
	}
	out := c.out[:len(c.out)-len(Tail)]
	c.out = nil
	pool.Put(c)
	if len(out)-len(dst) >= limit {
		return out[:len(dst)], false // with the room it has now, for the next one
	}
	if e.takeover || e.open {
		e.window.enter(p, !e.own(), len(out)-len(dst))
	}
	return out, true
}

// compressor returns one for e's parameters, and the pool it belongs to.
func (e *Encoder) compressor() (*compressor, *sync.Pool) {
	small := e.reach() < 1<<MaxBits
	pool := &byLevel[max(e.level, 1)]
	if small {
		pool = &byBits[e.bits]
	}
	if c, ok := pool.Get().(*compressor); ok {
		return c, pool
	}
	c := new(compressor)
	var err error
	if small {
		c.w, err = flate.NewWriterWindow(&c.out, e.reach())
	} else {
		c.w, err = flate.NewWriter(&c.out, int(max(e.level, 1)))
	}
	if err != nil {
		panic("deflate: " + err.Error()) // the parameters are in bounds
	}
	return c, pool
}
