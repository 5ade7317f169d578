package wsbridge

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/wskit/wskit/ws"
)

// upgrade answers the client and returns its stream.
func upgrade(u *ws.HTTPUpgrader, w http.ResponseWriter, r *http.Request) (io.ReadWriteCloser, ws.Handshake, error) {
	if r.ProtoMajor > 1 {
		hs, err := u.UpgradeStream(r, w)
		if err != nil {
			return nil, hs, err
		}
		return newResponseStream(w, r), hs, nil
	}
	conn, rw, hs, err := u.Upgrade(r, w)
	if err != nil {
		return nil, hs, err
	}
	behind, received := ws.Detach(conn, rw.Reader)
	if len(received) == 0 {
		return behind, hs, nil
	}
	return &prefixed{behind, bytes.NewReader(received)}, hs, nil
}

// prefixed is a connection of which something was read already.
type prefixed struct {
	io.ReadWriteCloser
	first *bytes.Reader
}

func (c *prefixed) Read(p []byte) (int, error) {
	if c.first.Len() > 0 {
		return c.first.Read(p)
	}
	return c.ReadWriteCloser.Read(p)
}

func (c *prefixed) CloseWrite() error { return closeWrite(c.ReadWriteCloser) }

// responseStream is an extended CONNECT as net/http and servers of HTTP/3 hand it to a
// handler, which has to stay: the direction to the client ends when that returns, and
// nothing may touch w from then on.
type responseStream struct {
	body io.ReadCloser
	w    http.ResponseWriter
	ctl  *http.ResponseController

	mu      sync.Mutex
	closed  bool      // no Write begins
	writing bool      // one is under way
	written sync.Cond // it has ended
}

func newResponseStream(w http.ResponseWriter, r *http.Request) *responseStream {
	s := &responseStream{body: r.Body, w: w, ctl: http.NewResponseController(w)}
	s.written.L = &s.mu
	s.ctl.SetReadDeadline(time.Time{}) // those that the server has set
	s.ctl.SetWriteDeadline(time.Time{})
	return s
}

func (s *responseStream) Read(p []byte) (int, error) { return s.body.Read(p) }

// Write writes p and flushes it. One Write runs at a time.
func (s *responseStream) Write(p []byte) (int, error) {
	if !s.enter() {
		return 0, net.ErrClosed
	}
	defer s.leave()
	n, err := s.w.Write(p)
	if err == nil {
		err = s.ctl.Flush()
	}
	return n, err
}

func (s *responseStream) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = !s.closed
	return s.writing
}

func (s *responseStream) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = false
	s.written.Broadcast()
}

// Close ends a Read and a Write that are under way, the latter by a reset of the stream.
func (s *responseStream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.writing {
		s.ctl.SetWriteDeadline(time.Unix(1, 0))
	}
	return s.body.Close()
}

// CloseWrite has the handler return, which ends the direction of writes: the backend has
// ended, and nothing that the client may still send has a receiver.
func (s *responseStream) CloseWrite() error { return s.Close() }

// release closes the stream, and returns when nothing uses it any more. The stream is
// reset unless it has ended as it should.
func (s *responseStream) release(clean bool) {
	s.Close()
	s.mu.Lock()
	for s.writing {
		s.written.Wait()
	}
	s.mu.Unlock()
	if !clean {
		panic(http.ErrAbortHandler)
	}
}

// closeWrite ends the direction of writes, where the stream can.
func closeWrite(s io.Writer) error {
	if half, ok := s.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
