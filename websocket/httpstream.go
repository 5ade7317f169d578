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
var errHandlerOver = errors.New("the request's context has ended, and with it the stream")

// httpStream is the stream of an extended CONNECT: the body of the request and the
// writer of the answer. Both belong to the handler. When that returns, net/http ends
// the stream and gives the memory of the writer to another request, so the writer
// must not be touched from then on: over is set before, use waits for those that are
// inside, and the end of the request's context is the last sign.
//
// The writer cannot end its direction; the return of the handler does. A deadline in
// the past resets the stream.
type httpStream struct {
	asyncread.Reader
	w       http.ResponseWriter
	ctl     *http.ResponseController
	request *http.Request
	conn    atomic.Pointer[Conn]

	over    atomic.Bool
	use     sync.RWMutex // read locked by those that use w
	writing sync.Mutex
	stop    func() bool // ends the watch of the request's context
}

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
	s.stop = context.AfterFunc(s.request.Context(), func() {
		s.over.Store(true)
		if c := s.conn.Load(); c != nil {
			c.streamOver()
		}
	})
}

// enter reports whether w may be used until leave.
func (s *httpStream) enter() bool {
	if s.over.Load() {
		return false
	}
	s.use.RLock()
	if s.over.Load() || s.request.Context().Err() != nil {
		s.use.RUnlock()
		return false
	}
	return true
}

// leave ends enter. It makes an error of a panic of net/http about a handler that has
// returned.
func (s *httpStream) leave(err *error) {
	if v := recover(); v != nil {
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
	if s.stop != nil {
		s.stop()
	}
	if reset {
		s.SetWriteDeadline(longAgo)
	}
	s.over.Store(true)
	if !s.use.TryLock() {
		s.interruptWrite()
		s.use.Lock()
	}
	s.use.Unlock()
	s.request.Body.Close()
	s.CloseRead()
}

// interruptWrite ends a write that is under way, after which w may be used no more.
func (s *httpStream) interruptWrite() {
	if s.request.Context().Err() != nil {
		return // net/http ends it
	}
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

// streamOver ends the writing of a connection whose stream is over. What has arrived
// before can still be read, for CloseTimeout.
func (c *Conn) streamOver() {
	defer c.guard()
	c.writeFailed(errHandlerOver)
}

var (
	_ io.ReadWriteCloser = (*httpStream)(nil)
	_ readDeadliner      = (*httpStream)(nil)
	_ writeDeadliner     = (*httpStream)(nil)
)
