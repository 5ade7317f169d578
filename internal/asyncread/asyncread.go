// Package asyncread makes reads interruptible for sources whose reads are not.
package asyncread

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/internal/bufpool"
)

// Reader reads from a source whose reads cannot be interrupted without losing
// bytes or the source, such as the body of a request. After ArmRead, it reads
// on a goroutine. A deadline ends the wait for that goroutine, and the next
// Read returns the bytes that it reads later. The goroutine reads only when a
// Read needs data, and at most one buffer, so that flow control still works.
//
// Only one goroutine at a time may call Read. The other methods may be called
// at any time.
type Reader struct {
	src      io.Reader
	armed    atomic.Bool
	deadline deadline
	closed   chan struct{}
	closing  sync.Once

	// The fields below belong to Read, and to fetch while it runs.
	fetching bool
	fetched  chan struct{}   // of capacity 1
	fetch    func()          // r.read, allocated once
	buffer   *bufpool.Buffer // the memory of p
	p        []byte          // read but not returned
	err      error           // of src; permanent
	step     int             // size of the next read
}

// Sizes of the buffer. A read that fills it makes the next one larger.
const (
	minStep = 1 << 10
	maxStep = 32 << 10
)

// Init sets the source. It must be called before all other methods.
func (r *Reader) Init(src io.Reader) {
	r.src, r.step = src, minStep
	r.closed = make(chan struct{})
}

// ArmRead makes all later reads interruptible.
func (r *Reader) ArmRead() { r.armed.Store(true) }

// Armed reports whether ArmRead was called.
func (r *Reader) Armed() bool { return r.armed.Load() }

// SetReadDeadline makes pending and later Reads return os.ErrDeadlineExceeded
// at t. The zero time means no deadline. It does not interrupt a Read that
// began before the first call of SetReadDeadline or ArmRead.
func (r *Reader) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		r.ArmRead()
	}
	r.deadline.set(t)
	return nil
}

// CloseRead makes pending and later Reads return net.ErrClosed. The goroutine
// ends when the source returns.
func (r *Reader) CloseRead() { r.closing.Do(func() { close(r.closed) }) }

// Read reads from the source.
func (r *Reader) Read(p []byte) (int, error) {
	if !r.fetching && len(r.p) == 0 && r.err == nil && !r.armed.Load() {
		n, err := r.some(p)
		r.err = err
		return n, err
	}
	if err := r.wait(); err != nil {
		return 0, err
	}
	n := copy(p, r.p)
	if r.p = r.p[n:]; len(r.p) == 0 && r.buffer != nil {
		r.buffer.Free()
		r.buffer, r.p = nil, nil
	}
	if n == 0 {
		return 0, r.err
	}
	return n, nil
}

// some reads from the source until it returns bytes or an error. Over HTTP/3, each
// empty DATA frame is a read of nothing, which readers take for an error after some.
func (r *Reader) some(p []byte) (int, error) {
	for {
		n, err := r.src.Read(p)
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
	}
}

// wait returns once there is something to return.
func (r *Reader) wait() error {
	passed := r.deadline.passed()
	select {
	case <-passed:
		return os.ErrDeadlineExceeded
	case <-r.closed:
		return net.ErrClosed
	default:
	}
	if !r.fetching {
		if len(r.p) > 0 || r.err != nil {
			return nil
		}
		if r.fetched == nil {
			r.fetched, r.fetch = make(chan struct{}, 1), r.read
		}
		r.fetching = true
		go r.fetch()
	}
	select {
	case <-r.fetched:
		r.fetching = false
		return nil
	case <-passed:
		return os.ErrDeadlineExceeded
	case <-r.closed:
		return net.ErrClosed
	}
}

// read reads once from the source, on a goroutine of its own. It converts a
// panic of the source to an error.
func (r *Reader) read() {
	r.buffer = bufpool.Get(r.step)
	n := 0
	defer func() {
		if v := recover(); v != nil {
			n, r.err = 0, fmt.Errorf("read panicked: %v", v)
		}
		r.p = r.buffer.All()[:n]
		switch {
		case n == r.step:
			r.step = min(4*r.step, maxStep)
		case n < r.step/4:
			r.step = max(r.step/4, minStep)
		}
		r.fetched <- struct{}{}
	}()
	n, r.err = r.some(r.buffer.All()[:r.step])
}

// deadline is a time at which a channel is closed.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	over  chan struct{} // closed when the time has passed; allocated when needed
}

// passed returns the channel that is closed when the deadline passes.
func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.channel()
}

func (d *deadline) channel() chan struct{} {
	if d.over == nil {
		d.over = make(chan struct{})
	}
	return d.over
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop() // if it fires now, it finds that it is not the current one
		d.timer = nil
	}
	over := d.channel()
	select {
	case <-over:
		over, d.over = nil, nil
	default:
	}
	if t.IsZero() {
		return
	}
	if over == nil {
		over = d.channel()
	}
	left := time.Until(t)
	if left <= 0 {
		close(over)
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(left, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.timer == timer {
			d.timer = nil
			close(over)
		}
	})
	d.timer = timer
}
