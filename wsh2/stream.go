package wsh2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/wskit/wskit/internal/bufpool"
)

// stream is one extended CONNECT: a websocket.Stream once it is open. The lock
// of its connection guards all of it.
type stream struct {
	c        *conn
	id       uint32              // 0 until the request is sent
	fields   []hpack.HeaderField // of the request, until it is sent
	response *http.Response      // the final response
	interim  int                 // responses before that
	err      error               // why both directions ended
	released bool                // its reservation was released
	closed   bool                // by the program

	// Receiving. in holds no memory while no data waits to be read.
	in             *bufpool.Buffer
	offset         int // bytes of in that were read
	window, credit int // like those of conn; credit counts bytes that the program has read
	remoteEnded    bool
	readable       sync.Cond
	readDeadline   deadline

	// Sending.
	pending       []byte // of the current Write
	queued        bool   // in conn.queue
	sendWindow    int64
	localEnded    bool
	writable      sync.Cond
	writeDeadline deadline
}

// open sends a request and waits for the response. A stream must be reserved.
// The returned stream is nil if the status is not 2xx.
func (c *conn) open(r *http.Request, fields []hpack.HeaderField) (*stream, *http.Response, error) {
	ctx := r.Context()
	s := &stream{c: c, fields: fields, window: c.t.streamWindow()}
	s.readable.L, s.writable.L = &c.mu, &c.mu
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := s.begin(); err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { s.abandon(ctx) })
	for s.response == nil && s.err == nil {
		s.readable.Wait()
	}
	switch {
	case s.response == nil:
		stop()
		return nil, nil, s.err
	case s.response.StatusCode/100 != 2:
		s.response.Body = &refusal{s, stop}
		s.response.Request = r
		return nil, s.response, nil
	case !stop():
		s.reset(http2.ErrCodeCancel, contextError(ctx))
		return nil, nil, contextError(ctx)
	}
	resp := s.response
	resp.Request, resp.Body = r, http.NoBody
	return s, resp, nil
}

// begin queues the request.
func (s *stream) begin() error {
	c := s.c
	err := c.err
	if err == nil && c.leaving {
		err = errors.New("the server has sent GOAWAY")
	}
	if err != nil {
		s.end(err)
		return &unprocessedError{err}
	}
	if size := listSize(s.fields); size > uint64(c.maxHeaderList) {
		err = fmt.Errorf("request of %d bytes exceeds the limit of the server, %d", size, c.maxHeaderList)
		s.end(err)
		return err
	}
	c.requests = append(c.requests, s)
	c.pump()
	return nil
}

func (s *stream) abandon(ctx context.Context) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.reset(http2.ErrCodeCancel, contextError(ctx))
}

// reset ends both directions and sends RST_STREAM.
func (s *stream) reset(code http2.ErrCode, err error) {
	if s.err != nil {
		return
	}
	if s.id != 0 && !s.released {
		s.c.writer.WriteRSTStream(s.id, code)
		s.c.flush.Signal()
	}
	s.end(err)
}

// end ends both directions. Received data can still be read.
func (s *stream) end(err error) {
	if s.err != nil {
		return
	}
	s.err = err
	if s.id == 0 {
		for i, waiting := range s.c.requests {
			if waiting == s {
				s.c.requests = append(s.c.requests[:i:i], s.c.requests[i+1:]...)
				break
			}
		}
	}
	s.release()
	s.readable.Broadcast()
	s.writable.Broadcast()
}

// release releases the reservation once.
func (s *stream) release() {
	if s.released {
		return
	}
	s.released = true
	delete(s.c.streams, s.id)
	s.c.release()
}

// receive handles the payload p of a DATA frame. size includes the padding.
func (s *stream) receive(p []byte, size int, last bool) {
	switch {
	case s.response == nil:
		s.reset(http2.ErrCodeProtocol, fault(http2.ErrCodeProtocol, "DATA before the answer"))
		return
	case s.remoteEnded:
		s.reset(http2.ErrCodeStreamClosed, fault(http2.ErrCodeStreamClosed, "DATA after END_STREAM"))
		return
	case size > s.window:
		s.reset(http2.ErrCodeFlowControl, fault(http2.ErrCodeFlowControl, "data beyond the window of the stream"))
		return
	}
	s.window -= size
	if s.offset > 0 && s.offset >= len(s.in.B)/2 {
		s.in.B = s.in.B[:copy(s.in.B, s.in.B[s.offset:])]
		s.offset = 0
	}
	if len(p) > 0 {
		s.in = s.in.Append(p)
		s.readable.Broadcast()
	}
	if last {
		s.endRemote()
	}
	s.consumed(size - len(p))
}

// consumed returns n bytes to the window of the server, possibly later.
func (s *stream) consumed(n int) {
	s.credit += n
	if s.remoteEnded || s.err != nil || s.credit < s.c.t.streamWindow()/4 || s.credit == 0 {
		return
	}
	s.c.writer.WriteWindowUpdate(s.id, uint32(s.credit))
	s.c.flush.Signal()
	s.window, s.credit = s.window+s.credit, 0
}

// endRemote records that the server has ended its direction.
func (s *stream) endRemote() {
	s.remoteEnded = true
	s.readable.Broadcast()
	if s.localEnded {
		s.release()
	}
}

// endLocal sends END_STREAM.
func (s *stream) endLocal() {
	s.localEnded = true
	s.c.writer.WriteData(s.id, true, nil)
	s.c.flush.Signal()
	if s.remoteEnded {
		s.release()
	}
}

// Read implements [io.Reader]. Data that arrived before a reset can still be
// read.
func (s *stream) Read(p []byte) (int, error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	for {
		switch {
		case s.closed:
			return 0, net.ErrClosed
		case s.readDeadline.passed:
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case s.in != nil:
			return s.take(p), nil
		case s.remoteEnded:
			return 0, io.EOF
		case s.err != nil:
			return 0, s.err
		}
		s.readable.Wait()
	}
}

// take reads available data.
func (s *stream) take(p []byte) int {
	n := copy(p, s.in.B[s.offset:])
	if s.offset += n; s.offset == len(s.in.B) {
		s.drop()
	}
	s.consumed(n)
	return n
}

func (s *stream) drop() {
	s.in.Free()
	s.in, s.offset = nil, 0
}

// Write implements [io.Writer]. It returns when all of p is queued for writing,
// which the windows of the server may delay. Only one Write may run at a time.
func (s *stream) Write(p []byte) (n int, err error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.pending != nil {
		return 0, errWriting
	}
	if err := s.writeError(); err != nil || len(p) == 0 {
		return 0, err
	}
	s.pending = p
	s.c.enqueue(s)
	s.c.pump()
	for len(s.pending) > 0 && err == nil {
		if err = s.writeError(); err == nil {
			s.writable.Wait()
		}
	}
	n = len(p) - len(s.pending)
	s.pending = nil
	if n == len(p) {
		err = nil
	}
	return n, err
}

var errWriting = errors.New("wsh2: another write is in progress")

func (s *stream) writeError() error {
	switch {
	case s.closed:
		return net.ErrClosed
	case s.err != nil:
		return s.err
	case s.localEnded:
		return errors.New("wsh2: write after CloseWrite")
	case s.writeDeadline.passed:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// CloseWrite sends END_STREAM after the written data.
func (s *stream) CloseWrite() error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	switch {
	case s.pending != nil:
		return errWriting
	case s.closed:
		return net.ErrClosed
	case s.err != nil:
		return s.err
	case !s.localEnded:
		s.endLocal()
	}
	return nil
}

// Close ends the stream: with END_STREAM if the server has ended its direction,
// and otherwise with RST_STREAM and CANCEL, which corresponds to a TCP reset
// (RFC 8441, section 5).
func (s *stream) Close() error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.readDeadline.set(s, &s.readable, time.Time{})
	s.writeDeadline.set(s, &s.writable, time.Time{})
	if s.err == nil && s.remoteEnded && !s.localEnded && s.pending == nil {
		s.endLocal()
	}
	s.reset(http2.ErrCodeCancel, net.ErrClosed)
	if s.in != nil {
		s.drop()
	}
	return nil
}

// LocalAddr and RemoteAddr are those of the connection under the stream.
func (s *stream) LocalAddr() net.Addr  { return s.c.nc.LocalAddr() }
func (s *stream) RemoteAddr() net.Addr { return s.c.nc.RemoteAddr() }

func (s *stream) SetReadDeadline(t time.Time) error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.readDeadline.set(s, &s.readable, t)
}

func (s *stream) SetWriteDeadline(t time.Time) error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.writeDeadline.set(s, &s.writable, t)
}

// deadline is the deadline of one direction of a stream.
type deadline struct {
	timer  *time.Timer
	passed bool
}

// set makes waiting for cond end at t, or never if t is zero.
func (d *deadline) set(s *stream, cond *sync.Cond, t time.Time) error {
	if d.timer != nil {
		d.timer.Stop()
	}
	d.timer, d.passed = nil, false
	switch wait := time.Until(t); {
	case t.IsZero():
	case s.closed:
		return net.ErrClosed
	case wait <= 0:
		d.passed = true
		cond.Broadcast()
	default:
		var timer *time.Timer
		timer = time.AfterFunc(wait, func() {
			s.c.mu.Lock()
			defer s.c.mu.Unlock()
			if d.timer == timer {
				d.passed = true
				cond.Broadcast()
			}
		})
		d.timer = timer
	}
	return nil
}

// refusal is the body of a refusal.
type refusal struct {
	*stream
	stop func() bool // detaches the stream from the context
}

func (b *refusal) Close() error {
	b.stop()
	return b.stream.Close()
}
