package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/internal/asyncread"
)

// errHandlerOver ends a connection over a stream that net/http has taken back.
var errHandlerOver = errors.New("the handler has returned, and the stream has ended")

// httpStream is the stream of an extended CONNECT: the body of the request and the
// writer of the answer. Both belong to the handler. When that returns, net/http ends
// the stream and gives the memory of the writer to another request, so nobody may be
// using the writer then: closing the stream sets over and waits for those that are.
//
// A handler that returns before that ends the request's context first. But a context
// may end for other reasons, with the server for instance, and the connection goes on.
// So nobody uses the writer for a moment after the end of the context, in which
// net/http lets go of it; a use after that panics in net/http if the handler has
// returned, which leave makes an error of.
//
// The writer cannot end its direction; the return of the handler does. A deadline in
// the past resets the stream.
type httpStream struct {
	asyncread.Reader
	w       http.ResponseWriter
	ctl     *http.ResponseController
	request *http.Request
	conn    atomic.Pointer[Conn]

	over     atomic.Bool
	settled  chan struct{} // closed once look knows why the request's context has ended
	finished chan struct{} // closed by finish
	finishes sync.Once
	use      sync.RWMutex // read locked by those that use w
	writing  sync.Mutex
	stop     func() bool // ends the watch of the request's context
}

// handlerGrace is how long net/http may take to end a stream whose handler returns.
const handlerGrace = 100 * time.Millisecond

// clearDeadlines clears the deadlines that ReadTimeout and WriteTimeout of the server
// have set: they would end the stream.
func (s *httpStream) clearDeadlines() error {
	if err := s.ctl.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("the http.ResponseWriter has no deadlines (a middleware without Unwrap): %w", err)
	}
	return s.ctl.SetWriteDeadline(time.Time{})
}

// open begins the life of the stream, after the answer.
func (s *httpStream) open() {
	s.Init(s.request.Body)
	s.settled, s.finished = make(chan struct{}), make(chan struct{})
	s.stop = context.AfterFunc(s.request.Context(), s.look)
}

// look finds out whether the handler has returned.
func (s *httpStream) look() {
	defer close(s.settled)
	timer := time.NewTimer(handlerGrace)
	defer timer.Stop()
	select {
	case <-s.finished:
		return
	case <-timer.C:
	}
	s.clearWriteDeadline()
	if c := s.conn.Load(); c != nil && s.over.Load() {
		c.streamOver()
	}
}

// clearWriteDeadline sets over if the handler has returned.
func (s *httpStream) clearWriteDeadline() (err error) {
	if !s.lock() {
		return nil
	}
	defer s.leave(&err)
	return s.ctl.SetWriteDeadline(time.Time{})
}

// enter reports whether w may be used until leave.
func (s *httpStream) enter() bool {
	if s.request.Context().Err() != nil {
		select {
		case <-s.settled:
		case <-s.finished:
		}
	}
	return s.lock()
}

// lock is enter without a look at the request's context.
func (s *httpStream) lock() bool {
	s.use.RLock()
	if s.over.Load() {
		s.use.RUnlock()
		return false
	}
	return true
}

// leave ends enter. It makes an error of a panic of net/http about a handler that has
// returned.
func (s *httpStream) leave(err *error) {
	if v := recover(); v != nil {
		s.over.Store(true)
		*err = fmt.Errorf("%w: %v", errHandlerOver, v)
	}
	s.use.RUnlock()
}

// Write writes p and flushes it.
func (s *httpStream) Write(p []byte) (n int, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if !s.enter() {
		return 0, errHandlerOver
	}
	defer s.leave(&err)
	if n, err = s.w.Write(p); err != nil {
		return n, err
	}
	return n, s.ctl.Flush()
}

// SetWriteDeadline sets the deadline of writes, which resets the stream.
func (s *httpStream) SetWriteDeadline(t time.Time) (err error) {
	if !s.enter() {
		return nil // nothing is being written
	}
	defer s.leave(&err)
	return s.ctl.SetWriteDeadline(t)
}

// Close resets the stream.
func (s *httpStream) Close() error {
	s.finish(true)
	return nil
}

// finish ends the use of the stream, which is over when the handler returns, or at
// once if it is reset. When it returns, nobody uses w any more.
func (s *httpStream) finish(reset bool) {
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
func (s *httpStream) reset() {
	defer func() { recover() }()
	s.ctl.SetWriteDeadline(longAgo)
}

// LocalAddr returns the address of the server.
func (s *httpStream) LocalAddr() net.Addr {
	if addr, ok := s.request.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return addr
	}
	return unknownAddr{}
}

// RemoteAddr returns the address of the client.
func (s *httpStream) RemoteAddr() net.Addr {
	addr, err := netip.ParseAddrPort(s.request.RemoteAddr)
	if err != nil {
		return unknownAddr{}
	}
	return net.TCPAddrFromAddrPort(addr)
}

// handlers reports whether the transport belongs to a handler.
func (t *transport) handlers() bool {
	_, ok := t.ReadWriteCloser.(*httpStream)
	return ok
}

// streamOver ends the writing of a connection whose handler has returned. What has
// arrived before can still be read, for CloseTimeout.
func (c *Conn) streamOver() {
	defer c.guard()
	c.writeFailed(errHandlerOver)
}

var (
	_ io.ReadWriteCloser = (*httpStream)(nil)
	_ readDeadliner      = (*httpStream)(nil)
	_ writeDeadliner     = (*httpStream)(nil)
)
