// Package httpstream makes a byte stream from an extended CONNECT that net/http
// or an HTTP/3 server passes to a handler.
package httpstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/internal/asyncread"
)

// ErrOver is returned after the handler has returned, when net/http has ended
// the stream.
var ErrOver = errors.New("the handler has returned, and the stream has ended")

// Stream is an extended CONNECT: the body of the request and the
// ResponseWriter. Both belong to the handler. When the handler returns,
// net/http ends the stream and reuses the memory of the writer for another
// request. The writer must not be used any more: Finish sets over and waits for
// calls that use it.
//
// If a handler returns without Finish, the request's context ends first. A
// context may also end for other reasons, for example with the server, and then
// the connection continues. After the end of the context, the writer is
// therefore not used for a moment, in which net/http releases it if the handler
// has returned. After that, a use of a released writer panics in net/http, and
// leave converts the panic to an error.
//
// Only the return of the handler ends the direction of the writer. A deadline
// in the past resets the stream.
type Stream struct {
	asyncread.Reader
	w       http.ResponseWriter
	ctl     *http.ResponseController
	request *http.Request
	onOver  atomic.Pointer[func()]

	over     atomic.Bool
	settled  chan struct{} // closed when look knows why the request's context has ended
	finished chan struct{} // closed by Finish
	finishes sync.Once
	use      sync.RWMutex // read-locked while w is used
	writing  sync.Mutex
	stop     func() bool // stops watching the request's context
}

// New returns the stream of a request. It can be used from Open, after the
// response, to Finish, before the handler returns.
func New(w http.ResponseWriter, r *http.Request) *Stream {
	return &Stream{w: w, ctl: http.NewResponseController(w), request: r}
}

// OnRequest wraps next, the last check of a request. It adds a check that the
// stream supports deadlines, and clears those that ReadTimeout and WriteTimeout
// of the server have set, which would end the stream.
func (s *Stream) OnRequest(next func(*http.Request) error) func(*http.Request) error {
	return func(r *http.Request) error {
		if err := s.clearDeadlines(); err != nil {
			return err
		}
		return next(r)
	}
}

// handlerGrace is how long net/http may take to end a stream after the handler
// has returned.
const handlerGrace = 100 * time.Millisecond

func (s *Stream) clearDeadlines() error {
	if err := s.ctl.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("the http.ResponseWriter has no deadlines (a middleware without Unwrap): %w", err)
	}
	return s.ctl.SetWriteDeadline(time.Time{})
}

// Open begins the use of the stream, after the response.
func (s *Stream) Open() {
	s.Init(s.request.Body)
	s.settled, s.finished = make(chan struct{}), make(chan struct{})
	s.stop = context.AfterFunc(s.request.Context(), s.look)
}

// look determines whether the handler has returned.
func (s *Stream) look() {
	defer close(s.settled)
	timer := time.NewTimer(handlerGrace)
	defer timer.Stop()
	select {
	case <-s.finished:
		return
	case <-timer.C:
	}
	s.clearWriteDeadline()
	if f := s.onOver.Load(); f != nil && s.over.Load() {
		(*f)()
	}
}

// OnOver registers f, which is called if the handler returns while the stream
// is open, possibly before OnOver returns. OnOver must be called at most once,
// after Open.
func (s *Stream) OnOver(f func()) {
	s.onOver.Store(&f)
	if s.over.Load() {
		f()
	}
}

// clearWriteDeadline sets over if the handler has returned.
func (s *Stream) clearWriteDeadline() (err error) {
	if !s.lock() {
		return nil
	}
	defer s.leave(&err)
	return s.ctl.SetWriteDeadline(time.Time{})
}

// enter reports whether w may be used until leave.
func (s *Stream) enter() bool {
	if s.request.Context().Err() != nil {
		select {
		case <-s.settled:
		case <-s.finished:
		}
	}
	return s.lock()
}

// lock is enter, but does not check the request's context.
func (s *Stream) lock() bool {
	s.use.RLock()
	if s.over.Load() {
		s.use.RUnlock()
		return false
	}
	return true
}

// leave ends enter. It converts a panic of net/http about a handler that has
// returned to an error.
func (s *Stream) leave(err *error) {
	if v := recover(); v != nil {
		s.over.Store(true)
		*err = fmt.Errorf("%w: %v", ErrOver, v)
	}
	s.use.RUnlock()
}

// Write writes p and flushes it.
func (s *Stream) Write(p []byte) (n int, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if !s.enter() {
		return 0, ErrOver
	}
	defer s.leave(&err)
	if n, err = s.w.Write(p); err != nil {
		return n, err
	}
	return n, s.ctl.Flush()
}

// SetWriteDeadline sets the deadline of writes. When it passes, the stream is
// reset.
func (s *Stream) SetWriteDeadline(t time.Time) (err error) {
	if !s.enter() {
		return nil // nothing is being written
	}
	defer s.leave(&err)
	return s.ctl.SetWriteDeadline(t)
}

// Close resets the stream.
func (s *Stream) Close() error {
	s.Finish(true)
	return nil
}

// Finish ends the use of the stream and pending calls. If reset is set, it
// resets the stream; otherwise the stream ends when the handler returns. When
// Finish returns, the writer is not used any more. It may be called more than
// once.
func (s *Stream) Finish(reset bool) {
	if s.stop == nil {
		return // not open
	}
	s.stop()
	defer s.finishes.Do(func() { close(s.finished) })
	reset = !s.over.Swap(true) && reset && s.request.Context().Err() == nil
	if !s.use.TryLock() {
		s.reset() // ends a write
		s.use.Lock()
	}
	if reset {
		s.reset()
	}
	s.use.Unlock()
	s.request.Body.Close()
	s.CloseRead()
}

// reset resets the stream, unless the handler has returned.
func (s *Stream) reset() {
	defer func() { recover() }()
	s.ctl.SetWriteDeadline(time.Unix(1, 0))
}

// LocalAddr returns the address of the server, or nil if that is not known.
func (s *Stream) LocalAddr() net.Addr {
	addr, _ := s.request.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return addr
}

// RemoteAddr returns the address of the client, or nil if that is not known.
func (s *Stream) RemoteAddr() net.Addr {
	addr, err := netip.ParseAddrPort(s.request.RemoteAddr)
	if err != nil {
		return nil
	}
	return net.TCPAddrFromAddrPort(addr)
}
