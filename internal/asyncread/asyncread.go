// Package asyncread makes reads that can be given up of reads that cannot.
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

// Reader reads from a source whose reads cannot be interrupted without losing bytes
// or the source, such as the body of a request. Once it is armed, it reads on a
// goroutine: a deadline ends the wait for that goroutine, and the bytes that it reads
// later go to the next Read. The goroutine reads only what a Read has asked for, at
// most one buffer, so a peer is held back as before.
//
// Read is for one goroutine at a time. The other methods may be called at any time.
type Reader struct {
	src      io.Reader
	armed    atomic.Bool
	deadline deadline
	closed   chan struct{}
	closing  sync.Once

	// What follows belongs to Read, and between go fetch and fetched to fetch.
	fetching bool
	fetched  chan struct{}   // of capacity 1
	fetch    func()          // r.read, made once
	buffer   *bufpool.Buffer // where p lies, or is about to
	p        []byte          // read and not given out
	err      error           // of src, for good
	step     int             // how much the next read asks for
}

// The sizes of the buffer: a read that fills it makes the next one larger.
const (
	minStep = 1 << 10
	maxStep = 32 << 10
)

// Init makes r ready to read from src. It is called before anything else.
func (r *Reader) Init(src io.Reader) {
	r.src, r.step = src, minStep
	r.closed = make(chan struct{})
}

// ArmRead makes all reads from the next one on interruptible.
func (r *Reader) ArmRead() { r.armed.Store(true) }

// Armed reports whether ArmRead was called.
func (r *Reader) Armed() bool { return r.armed.Load() }

// SetReadDeadline ends a Read that is under way, and later ones, at t with
// os.ErrDeadlineExceeded. The zero time means no deadline. A Read that began before
// the first deadline or ArmRead is not ended.
func (r *Reader) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		r.ArmRead()
	}
	r.deadline.set(t)
	return nil
}

// CloseRead ends a Read that is under way, and later ones, with net.ErrClosed. The
// goroutine ends when the source returns.
func (r *Reader) CloseRead() { r.closing.Do(func() { close(r.closed) }) }

// Read reads from the source.
func (r *Reader) Read(p []byte) (int, error) {
	if !r.fetching && len(r.p) == 0 && r.err == nil && !r.armed.Load() {
		n, err := r.src.Read(p)
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

// read reads once from the source, on a goroutine of its own. A panic of the source
// is an error of this stream.
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
	n, r.err = r.src.Read(r.buffer.All()[:r.step])
}

// deadline is a moment that closes a channel.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	over  chan struct{} // closed once the moment has passed; made when it is needed
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
		d.timer.Stop() // one that fires now finds that it is not the current one
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
