package wstest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// PipeOptions configure both directions of a [Pipe].
type PipeOptions struct {
	// Latency is the time from a Write until its bytes can be read.
	Latency time.Duration

	// Chop is the maximum number of bytes of a Read. 0 means no limit. With 1,
	// every byte arrives separately.
	Chop int

	// Buffer is how many bytes may be in flight before a Write blocks. 0 means
	// 64 KiB.
	Buffer int
}

// Pipe returns the two ends of a connection in memory. Unlike the ends of
// [net.Pipe], they have a buffer, as sockets do, so that both sides may write
// before either one reads. Each end has a method CloseWrite() error for a
// half-close. Data written before Close can still be read at the other end.
// Deadlines work, and everything uses the clock of a testing/synctest bubble. o
// may be nil.
func Pipe(o *PipeOptions) (a, b net.Conn) {
	if o == nil {
		o = new(PipeOptions)
	}
	there, back := newStream(*o), newStream(*o)
	return &pipeEnd{in: back, out: there}, &pipeEnd{in: there, out: back}
}

// pipeEnd is one end: it reads from one stream and writes to the other.
type pipeEnd struct {
	in, out *stream
}

func (p *pipeEnd) Read(b []byte) (int, error)  { return p.in.read(b) }
func (p *pipeEnd) Write(b []byte) (int, error) { return p.out.write(b) }

// CloseWrite ends only the stream to the other end.
func (p *pipeEnd) CloseWrite() error {
	p.out.end()
	return nil
}

// Close ends both directions.
func (p *pipeEnd) Close() error {
	p.out.end()
	p.in.abandon()
	return nil
}

func (p *pipeEnd) LocalAddr() net.Addr  { return pipeAddr{} }
func (p *pipeEnd) RemoteAddr() net.Addr { return pipeAddr{} }

func (p *pipeEnd) SetDeadline(t time.Time) error {
	p.in.reading.set(t)
	p.out.writing.set(t)
	return nil
}

func (p *pipeEnd) SetReadDeadline(t time.Time) error {
	p.in.reading.set(t)
	return nil
}

func (p *pipeEnd) SetWriteDeadline(t time.Time) error {
	p.out.writing.set(t)
	return nil
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// stream is one direction.
type stream struct {
	o PipeOptions

	mu        sync.Mutex
	changed   sync.Cond
	segments  []segment // in the order in which they were written
	size      int       // bytes in segments
	ended     bool      // nothing more will be written
	abandoned bool      // nothing will be read
	reading   deadline
	writing   deadline
}

// segment holds the bytes of one Write.
type segment struct {
	p     []byte
	ready time.Time // when it can be read
}

func newStream(o PipeOptions) *stream {
	if o.Buffer <= 0 {
		o.Buffer = 64 << 10
	}
	s := &stream{o: o}
	s.changed.L = &s.mu
	s.reading.changed, s.writing.changed = &s.changed, &s.changed
	return s
}

func (s *stream) read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.abandoned:
			return 0, net.ErrClosed
		case s.reading.passed:
			return 0, os.ErrDeadlineExceeded
		case len(b) == 0:
			return 0, nil
		case len(s.segments) > 0 && !time.Now().Before(s.segments[0].ready):
			return s.take(b), nil
		case len(s.segments) == 0 && s.ended:
			return 0, io.EOF
		}
		s.changed.Wait()
	}
}

// take moves bytes of the first segment to b.
func (s *stream) take(b []byte) int {
	first := &s.segments[0]
	if s.o.Chop > 0 && len(b) > s.o.Chop {
		b = b[:s.o.Chop]
	}
	n := copy(b, first.p)
	first.p = first.p[n:]
	if len(first.p) == 0 {
		s.segments = s.segments[1:]
	}
	s.size -= n
	s.changed.Broadcast()
	return n
}

func (s *stream) write(b []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch room := s.o.Buffer - s.size; {
		case s.ended:
			return n, net.ErrClosed
		case s.abandoned:
			return n, io.ErrClosedPipe
		case s.writing.passed:
			return n, os.ErrDeadlineExceeded
		case n == len(b):
			return n, nil
		case room > 0:
			k := min(room, len(b)-n)
			s.put(b[n : n+k])
			n += k
			continue
		}
		s.changed.Wait()
	}
}

func (s *stream) put(p []byte) {
	s.segments = append(s.segments, segment{append([]byte(nil), p...), time.Now().Add(s.o.Latency)})
	s.size += len(p)
	s.changed.Broadcast()
	if s.o.Latency > 0 {
		time.AfterFunc(s.o.Latency, s.wake)
	}
}

func (s *stream) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed.Broadcast()
}

func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.changed.Broadcast()
}

func (s *stream) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abandoned, s.segments, s.size = true, nil, 0
	s.changed.Broadcast()
}
