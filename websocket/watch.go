package websocket

import (
	"context"
	"sync"
	"sync/atomic"
)

// watch makes the end of a context interrupt the reads, or the writes, of a transport.
// There is one for each; it belongs to the holder of the read lock or of the write lock.
//
// A context that is used twice in a row stays registered, so that using it again and
// again costs two locks and no memory. Each registration has a state of its own: one
// that is out of date, and of which the goroutine is about to run, can reach nothing.
type watch struct {
	current atomic.Pointer[registration] // atomic for shut, which may come at any time
	last    <-chan struct{}              // Done of the context before
}

// registration is one context that is watched.
type registration struct {
	conn  *Conn
	write bool            // the transport's writes are interrupted, or its reads
	done  <-chan struct{} // of the context
	stop  func() bool
	kept  bool

	mu      sync.Mutex
	ended   bool // the context has
	armed   bool // the transport is in use under the context
	outcome outcome
}

// outcome is what the end of a context did to the transport.
type outcome uint8

const (
	undisturbed outcome = iota
	interrupted         // a deadline ended what was under way
	destroyed           // there are no deadlines: it was closed
)

// begin is called before the transport is used under ctx, unless ctx cannot end.
func (w *watch) begin(ctx context.Context, c *Conn, write bool) {
	done := ctx.Done()
	r := w.current.Load()
	if r == nil || r.done != done {
		w.drop()
		if !write {
			c.transport.armRead()
		}
		r = &registration{conn: c, write: write, done: done, kept: done == w.last}
		r.stop = context.AfterFunc(ctx, r.end)
		w.last = done
		w.current.Store(r)
	}
	r.mu.Lock()
	r.armed = true
	if r.ended {
		r.fire()
	}
	r.mu.Unlock()
}

// end is called once the context has ended.
func (r *registration) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	if r.armed {
		r.fire()
	}
}

func (r *registration) fire() {
	r.outcome = r.conn.transport.interrupt(r.write)
}

// finish is called after the transport was used. Nothing interrupts it from then on.
func (w *watch) finish() outcome {
	r := w.current.Load()
	if r == nil {
		return undisturbed
	}
	r.mu.Lock()
	how := r.outcome
	r.armed, r.outcome = false, undisturbed
	if how == interrupted {
		r.conn.transport.resume(r.write)
	}
	r.mu.Unlock()
	if !r.kept || r.conn.closed.Load() {
		w.drop()
	}
	return how
}

// drop forgets the context.
func (w *watch) drop() {
	if r := w.current.Swap(nil); r != nil {
		r.stop()
	}
}
