package wsh3

import (
	"io"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/wskit/wskit/internal/asyncread"
)

// h3Stream has the common methods of client and server streams.
type h3Stream interface {
	io.ReadWriteCloser // Close ends writing, and must not run concurrently with Write
	CancelRead(quic.StreamErrorCode)
	CancelWrite(quic.StreamErrorCode)
	SetWriteDeadline(time.Time) error
}

// stream is a websocket.Stream. In HTTP/3, a read deadline that passes inside
// the header of a DATA frame loses bytes. Reads with a deadline therefore wait
// for another goroutine that reads. If a deadline has interrupted a write, the
// next write resumes it.
type stream struct {
	asyncread.Reader
	h3            h3Stream
	local, remote net.Addr
	unneeded      http3.ErrCode // tells the peer to stop sending, after FIN
	closed        func()        // called once, at the end

	writing  sync.Mutex // held while h3 is written to
	unwhole  bool       // a write was interrupted
	finished bool       // writing has ended

	closing sync.Once
}

func newStream(h3 h3Stream, local, remote net.Addr, unneeded http3.ErrCode, closed func()) *stream {
	s := &stream{h3: h3, local: local, remote: remote, unneeded: unneeded, closed: closed}
	s.Init(h3)
	return s
}

// LocalAddr returns the local address of the QUIC connection.
func (s *stream) LocalAddr() net.Addr { return s.local }

// RemoteAddr returns the address of the peer.
func (s *stream) RemoteAddr() net.Addr { return s.remote }

// Write writes p in one DATA frame.
func (s *stream) Write(p []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.finished {
		return 0, net.ErrClosed
	}
	n, err := s.h3.Write(p)
	s.unwhole = err != nil
	return n, err
}

// SetWriteDeadline sets the deadline of writes. A later deadline lets an
// interrupted write continue.
func (s *stream) SetWriteDeadline(t time.Time) error { return s.h3.SetWriteDeadline(t) }

// CloseWrite ends writing with FIN.
func (s *stream) CloseWrite() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.endWriting()
}

// endWriting is CloseWrite with s.writing held. If a DATA frame is incomplete,
// it resets the stream.
func (s *stream) endWriting() error {
	if s.finished {
		return nil
	}
	s.finished = true
	if s.unwhole {
		s.unneeded = http3.ErrCodeRequestCanceled
		s.h3.CancelWrite(cancelled)
		return nil
	}
	return s.h3.Close()
}

const cancelled = quic.StreamErrorCode(http3.ErrCodeRequestCanceled)

// Close ends both directions. The peer receives the written data, such as a
// close frame. If a write is in progress, Close resets the stream instead.
func (s *stream) Close() error {
	s.closing.Do(func() {
		if !s.writing.TryLock() {
			s.h3.CancelWrite(cancelled) // ends the write
			s.writing.Lock()
			s.finished, s.unneeded = true, http3.ErrCodeRequestCanceled
		}
		s.endWriting()
		s.writing.Unlock()
		s.h3.CancelRead(quic.StreamErrorCode(s.unneeded)) // does nothing after the end of the input
		s.CloseRead()
		s.closed()
	})
	return nil
}
