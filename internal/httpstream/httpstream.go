// Package httpstream makes a stream of bytes of an extended CONNECT as net/http and
// servers of HTTP/3 hand it to a handler.
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

// ErrOver ends the use of a stream that net/http has taken back.
var ErrOver = errors.New("the handler has returned, and the stream has ended")

// Stream is an extended CONNECT: the body of the request and the writer of the
// answer. Both belong to the handler. When the handler returns, net/http ends the
// stream and gives the memory of the writer to another request. Nobody may use the
// writer then: Finish sets over and waits for the calls that use it.
//
// A handler that returns before that ends the request's context first. But a context
// may end for other reasons, with the server for instance, and the connection goes on.
// So nobody uses the writer for a moment after the end of the context, in which
// net/http lets go of it. A later use panics in net/http if the handler has returned,
// and leave turns the panic into an error.
//
// The writer cannot end its direction; the return of the handler does. A deadline in
// the past resets the stream.
type Stream struct {
	asyncread.Reader
	w       http.ResponseWriter
	ctl     *http.ResponseController
	request *http.Request
	onOver  atomic.Pointer[func()]

	over     atomic.Bool
	settled  chan struct{} // closed once look knows why the request's context has ended
	finished chan struct{} // closed by Finish
	finishes sync.Once
	use      sync.RWMutex // read locked by those that use w
	writing  sync.Mutex
	stop     func() bool // ends the watch of the request's context
}

// New returns the stream of a request. It is used between the answer and the return of
// the handler, from Open to Finish.
func New(w http.ResponseWriter, r *http.Request) *Stream {
	return &Stream{w: w, ctl: http.NewResponseController(w), request: r}
}

// OnRequest returns next, the last check of a request before its answer, with another
// check before it: the stream must have deadlines. It clears those that ReadTimeout and
// WriteTimeout of the server have set, which would end the stream.
func (s *Stream) OnRequest(next func(*http.Request) error) func(*http.Request) error {
	return func(r *http.Request) error {
		if err := s.clearDeadlines(); err != nil {
			return err
		}
		return next(r)
	}
}

// handlerGrace is how long net/http may take to end a stream whose handler returns.
const handlerGrace = 100 * time.Millisecond

func (s *Stream) clearDeadlines() error {
	if err := s.ctl.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("the http.ResponseWriter has no deadlines (a middleware without Unwrap): %w", err)
	}
	return s.ctl.SetWriteDeadline(time.Time{})
}

// Open begins the life of the stream, after the answer.
func (s *Stream) Open() {
	s.Init(s.request.Body)
	s.settled, s.finished = make(chan struct{}), make(chan struct{})
	s.stop = context.AfterFunc(s.request.Context(), s.look)
}

// look finds out whether the handler has returned.
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

// OnOver has f called once the handler has returned with the stream open, which may be
// before OnOver returns. It is called once at most, after Open.
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

// lock is enter without a look at the request's context.
func (s *Stream) lock() bool {
	s.use.RLock()
	if s.over.Load() {
		s.use.RUnlock()
		return false
	}
	return true
}

// leave ends enter. It makes an error of a panic of net/http about a handler that has
// returned.
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

// SetWriteDeadline sets the deadline of writes, which resets the stream.
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

// Finish ends the use of the stream, with calls that are under way. The stream is over
// when the handler returns, or at once if it is reset. When Finish returns, nobody uses
// the writer. It may be called more than once.
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
