package websocket

import (
	"context"
	"sync"
	"sync/atomic"
)

// watch interrupts the reads or the writes of a transport when a context ends.
// There is one watch for each; it belongs to the holder of the read lock or the
// write lock.
//
// A context that is used twice in a row stays registered, so that repeated use
// costs two locks and no memory. Each registration has its own state, so that a
// late call for an old registration has no effect on a new one.
type watch struct {
	current atomic.Pointer[registration] // atomic because shut may run at any time
	last    <-chan struct{}              // Done of the previous context
}

// registration is the state of one watched context.
type registration struct {
	conn  *Conn
	write bool            // interrupt writes, not reads
	done  <-chan struct{} // Done of the context
	stop  func() bool
	kept  bool

	mu      sync.Mutex
	ended   bool // the context has ended
	armed   bool // the transport is being used with the context
	outcome outcome
}

// outcome is the effect of the end of a context on the transport.
type outcome uint8

const (
	undisturbed outcome = iota
	interrupted         // a deadline ended the pending call
	destroyed           // the transport has no deadlines and was closed
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

// end is called when the context has ended.
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

// finish is called after the transport was used. From then on nothing
// interrupts it.
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

// drop unregisters the context.
func (w *watch) drop() {
	if r := w.current.Swap(nil); r != nil {
		r.stop()
	}
}
