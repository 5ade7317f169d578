package wsloop

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/wskit/wskit/internal/bufpool"
)

// secure is the link of a connection with TLS over a descriptor. crypto/tls
// reads from and writes to the type memory below. During the handshake, which
// has a goroutine of its own, a read waits until the loop has received data.
// After the handshake, a read without data returns errWouldBlock, the only kind
// of error that crypto/tls does not keep. A write always accepts everything,
// because crypto/tls keeps all errors of writes.
type secure struct {
	conn *tls.Conn
	c    *Conn
	done error // of the handshake; written before askSecured

	mu     sync.Mutex
	filled sync.Cond
	in     []byte // encrypted input: a view of the loop's buffer after the handshake
	end    error  // what follows in: io.EOF, the error of a read, or nil for now
	closed bool
	waits  bool            // a read may wait: the handshake is in progress
	out    *bufpool.Buffer // encrypted output
	gone   int             // number of bytes of out that were written
}

// maxInHandshake is how many bytes a client may send before its handshake is
// over: more than a TLS record with a request head of the maximum size.
const maxInHandshake = 64 << 10

func newSecure(c *Conn, cfg *tls.Config) *secure {
	s := &secure{c: c, waits: true}
	s.filled.L = &s.mu
	s.conn = tls.Server((*memory)(s), cfg)
	return s
}

// start begins the handshake.
func (s *secure) start(c *Conn) {
	server := c.loop.s
	server.tasks.Go(func() {
		server.compute <- struct{}{}
		err := s.conn.Handshake()
		<-server.compute
		s.mu.Lock()
		s.waits = false
		s.done = err
		s.mu.Unlock()
		c.askFor(askSecured)
	})
}

// secured continues after the TLS handshake.
func (c *Conn) secured() {
	s := c.link.(*secure)
	if c.phase != phaseSecure {
		return
	}
	if s.done != nil {
		c.loop.s.countRefused(0)
		c.phase = phaseOver // only an alert is left to write
		c.flags |= flagRefused
		c.until = min(c.until, later(c.loop.now, time.Second))
		return
	}
	c.phase = phaseHead
	c.flags &^= flagEOF // decrypt finds the end again, after the data before it
	s.decrypt(c)
}

// receive is link.receive.
func (s *secure) receive(c *Conn) {
	l := c.loop
	n, err := readDescriptor(int(c.fd), l.buf)
	handshake := c.phase == phaseSecure
	s.mu.Lock()
	switch {
	case err == errAgain: // data may be left from before a panic
	case err != nil:
		s.end = err
	case n == 0:
		s.end = io.EOF
	case handshake, len(s.in) > 0: // earlier data is decrypted first
		s.in = append(s.in, l.buf[:n]...)
	default:
		s.in = l.buf[:n]
	}
	s.filled.Signal()
	tooMuch, ended := len(s.in) > maxInHandshake, s.end != nil
	s.mu.Unlock()
	switch {
	case !handshake:
		s.decrypt(c)
	case tooMuch:
		l.release(c)
	case ended:
		c.flags |= flagEOF // the handshake may still succeed: see secured
	}
}

// decrypt decrypts received data and passes it to the connection.
func (s *secure) decrypt(c *Conn) {
	l := c.loop
	if l.plain == nil {
		l.plain = make([]byte, 16<<10) // the maximum of a record
	}
	finished := false
	defer func() {
		if !finished { // the handler has panicked, or ended its goroutine
			s.mu.Lock()
			s.in = bytes.Clone(s.in)
			s.mu.Unlock()
			c.askFor(askRead)
		}
	}()
	for c.phase != phaseDead {
		n, err := s.conn.Read(l.plain)
		if n > 0 {
			c.received(l.plain[:n])
		}
		switch {
		case err == nil:
			continue
		case err == errWouldBlock:
		case err == io.EOF, err == io.ErrUnexpectedEOF:
			c.inputEnded(nil)
		default:
			c.mu.Lock()
			s.send(c, nil) // the alert
			c.mu.Unlock()
			c.inputEnded(fmt.Errorf("wsloop: read: %w", err))
		}
		break
	}
	finished = true
}

// send is link.send.
func (s *secure) send(c *Conn, p []byte) (int, error) {
	if err := s.write(c); err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := s.conn.Write(p)
	if err != nil {
		return n, err
	}
	return n, s.write(c)
}

// write writes what is encrypted. Conn.mu is held.
func (s *secure) write(c *Conn) error {
	n, err := s.writeOut(int(c.fd))
	if n > 0 {
		c.progressed()
	}
	return err
}

func (s *secure) writeOut(fd int) (written int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.out != nil {
		n, err := writeDescriptor(fd, s.out.B[s.gone:])
		if err != nil {
			return written, err
		}
		written += n
		if s.gone += n; s.gone == len(s.out.B) {
			s.out.Free()
			s.out, s.gone = nil, 0
		}
	}
	return written, nil
}

// waiting is link.waiting.
func (s *secure) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out == nil {
		return 0
	}
	return len(s.out.B) - s.gone
}

// counted is link.counted.
func (s *secure) counted() int { return s.waiting() }

// listen is link.listen.
func (s *secure) listen(*Conn, bool) {}

// closeWrite is link.closeWrite.
func (s *secure) closeWrite(c *Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.conn.CloseWrite()
	s.write(c)
	return closeWriteDescriptor(int(c.fd)) == nil
}

// close is link.close: the peer gets the alert if the socket has room for it.
func (s *secure) close(c *Conn) {
	s.mu.Lock()
	open := !s.waits && s.done == nil
	s.closed = true
	s.filled.Signal()
	s.mu.Unlock()
	if open {
		s.conn.Close()
		s.write(c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out != nil {
		s.out.Free()
		s.out = nil
	}
}

// errWouldBlock is a [net.Error] that crypto/tls does not keep.
var errWouldBlock error = wouldBlock{}

type wouldBlock struct{}

func (wouldBlock) Error() string   { return "wsloop: nothing has arrived" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }
func (wouldBlock) Unwrap() error   { return os.ErrDeadlineExceeded }

// memory is the net.Conn that crypto/tls encrypts.
type memory secure

// Read returns data that the loop has received.
func (m *memory) Read(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.in) == 0 && !m.closed && m.end == nil && m.waits {
		// A handshake that waits for the peer does not delay other handshakes.
		compute := m.c.loop.s.compute
		<-compute
		m.filled.Wait()
		m.mu.Unlock()
		compute <- struct{}{}
		m.mu.Lock()
	}
	switch {
	case m.closed:
		return 0, net.ErrClosed
	case len(m.in) > 0:
		n := copy(p, m.in)
		m.in = m.in[n:]
		if len(m.in) == 0 {
			m.in = nil
		}
		return n, nil
	case m.end != nil:
		return 0, m.end
	}
	return 0, errWouldBlock
}

// Write appends p to the output, which the loop writes.
func (m *memory) Write(p []byte) (int, error) {
	m.mu.Lock()
	if m.closed && m.waits {
		m.mu.Unlock()
		return 0, net.ErrClosed
	}
	m.out = m.out.Append(p)
	waits := m.waits
	m.mu.Unlock()
	if waits {
		m.c.askFor(0)
	}
	return len(p), nil
}

// Close does nothing: the loop closes the descriptor.
func (m *memory) Close() error { return nil }

func (m *memory) LocalAddr() net.Addr  { return &net.TCPAddr{} }
func (m *memory) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(m.c.addr.expand()) }

func (m *memory) SetDeadline(time.Time) error      { return nil }
func (m *memory) SetReadDeadline(time.Time) error  { return nil }
func (m *memory) SetWriteDeadline(time.Time) error { return nil }
