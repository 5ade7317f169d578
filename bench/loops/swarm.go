//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/wskit/wskit/bench/echoserver"
)

// swarm is the load: many connections on one goroutine. It counts bytes and
// does not compare them.
//
// Most of the cost of a message is that of the TCP stack, and the swarm must
// send and receive as many segments as the server. It avoids everything else.
// The descriptors are blocking, and echoes are received in the order in which
// the messages were sent, so that epoll is not needed. The kernel drops
// received bytes instead of copying them. The swarm sleeps only until the last
// echo of several: see [swarm.echo].
type swarm struct {
	conns []*peer
	buf   []byte // room for the bytes that are dropped

	epoll int // for watch; 0 without
	raw   [256]unix.EpollEvent
}

// peer is one connection of a swarm.
type peer struct {
	fd     int
	frames []byte // sent in one write
	due    int    // size of the answer
	got    int    // received bytes of the answer
	sent   time.Time
}

func newSwarm(addr, library string, conns int, text []byte, pipeline int) (*swarm, error) {
	s := new(swarm)
	var frames []byte // the same for all, so that they stay in the cache
	for i := range conns {
		c, err := echoserver.Dial(addr, library, echoserver.Options{}, text, 1)
		if err != nil {
			s.close()
			return nil, err
		}
		conn, frame, echo := c.Raw()
		if i == 0 {
			frames = bytes.Repeat(frame, pipeline)
			s.buf = make([]byte, max(256<<10, len(echo)*pipeline))
		}
		p := &peer{frames: frames, due: len(echo) * pipeline}
		s.conns = append(s.conns, p)
		err = p.adopt(conn)
		c.Close() // the duplicate stays open
		if err == nil {
			err = p.tune()
		}
		if err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// adopt duplicates the descriptor, without the runtime's poller.
func (p *peer) adopt(conn net.Conn) error {
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		p.fd, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err == nil {
		err = failed
	}
	return err
}

// patience is how long the swarm waits for a server.
const patience = 20 * time.Second

// tune makes the descriptor blocking, so that receive waits up to patience, and
// gives it room for a batch.
func (p *peer) tune() error {
	timeout := unix.NsecToTimeval(patience.Nanoseconds())
	err := unix.SetsockoptTimeval(p.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout)
	if err == nil {
		err = unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20)
	}
	if err == nil {
		err = unix.SetNonblock(p.fd, false)
	}
	return err
}

func (s *swarm) close() {
	for _, p := range s.conns {
		if p.fd > 0 {
			unix.Close(p.fd)
		}
	}
	s.unwatch()
}

// send sends one batch of a peer. It does not wait.
func (p *peer) send() error {
	n, errno := transfer(unix.SYS_SENDTO, p.fd, p.frames, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	switch {
	case errno != 0:
		return errno
	case n < len(p.frames):
		return fmt.Errorf("the socket takes %d of %d bytes", n, len(p.frames))
	}
	return nil
}

// receive waits for the answer to a batch.
func (s *swarm) receive(p *peer) error {
	for left := p.due; left > 0; {
		n, errno := transfer(unix.SYS_RECVFROM, p.fd, s.buf[:left], unix.MSG_WAITALL|unix.MSG_TRUNC)
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			return fmt.Errorf("no answer in %v", patience)
		case errno != 0:
			return errno
		case n == 0:
			return errClosed
		default:
			left -= n
		}
	}
	return nil
}

var errClosed = errors.New("the server has closed a connection")

// transfer sends or receives. It does not notify the runtime, because no other
// goroutine needs the processor.
func transfer(call uintptr, fd int, p []byte, flags uintptr) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), flags, 0, 0)
	return int(n), errno
}

// echo sends on all connections, and again after each answer, up to the given
// number of messages.
//
// It first waits for the last answer of a quarter of the connections. Then the
// others have usually arrived as well, and the swarm sleeps once for all of them,
// while the server is busy with the other connections.
func (s *swarm) echo(messages, pipeline int) error {
	batches := max(messages/pipeline, 1)
	waiting := s.conns[:min(len(s.conns), batches)]
	for _, p := range waiting {
		if err := p.send(); err != nil {
			return err
		}
	}
	left := batches - len(waiting) // not sent yet
	for len(waiting) > 0 {
		again := 0 // how many were sent once more: the first ones
		for some := range slices.Chunk(waiting, max(min(len(s.conns)/4, 256), 1)) {
			for i := range some {
				p := some[len(some)-1-i]
				if err := s.receive(p); err != nil {
					return err
				}
			}
			for _, p := range some[:min(len(some), left)] {
				if err := p.send(); err != nil {
					return err
				}
			}
			again += min(len(some), left)
			left -= min(len(some), left)
		}
		waiting = waiting[:again]
	}
	return nil
}

// broadcast sends a message on one connection, and waits until all have
// received it.
func (s *swarm) broadcast(rounds int) error {
	for range rounds {
		if err := s.conns[0].send(); err != nil {
			return err
		}
		for i := range s.conns {
			if err := s.receive(s.conns[len(s.conns)-1-i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// watch makes wait see all connections. unwatch undoes that, because a
// descriptor in an epoll costs both sides more.
func (s *swarm) watch() (err error) {
	s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	for i, p := range s.conns {
		ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
		if err := unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, p.fd, &ev); err != nil {
			return err
		}
	}
	return nil
}

func (s *swarm) unwatch() {
	if s.epoll > 0 {
		unix.Close(s.epoll)
		s.epoll = 0
	}
}

// wait receives available data, and calls each with the peer and the number of
// bytes. It waits at most timeout.
func (s *swarm) wait(timeout time.Duration, each func(p *peer, n int) error) error {
	n, err := unix.EpollWait(s.epoll, s.raw[:], int(timeout.Milliseconds()))
	for err == unix.EINTR {
		n, err = unix.EpollWait(s.epoll, s.raw[:], int(timeout.Milliseconds()))
	}
	for i := 0; i < n && err == nil; i++ {
		p := s.conns[s.raw[i].Fd]
		m, errno := transfer(unix.SYS_RECVFROM, p.fd, s.buf, unix.MSG_DONTWAIT)
		switch {
		case errno == unix.EAGAIN, errno == unix.EINTR:
		case errno != 0:
			err = errno
		case m == 0:
			err = errClosed
		default:
			err = each(p, m)
		}
	}
	return err
}

// gather sends broadcasts until all connections have received one, because
// servers may answer a handshake before they add the connection.
func (s *swarm) gather() error {
	defer s.unwatch()
	if err := s.watch(); err != nil {
		return err
	}
	for range 50 {
		if err := s.conns[0].send(); err != nil {
			return err
		}
		left := len(s.conns) * s.conns[0].due
		for came := true; came; {
			came = false
			err := s.wait(200*time.Millisecond, func(_ *peer, n int) error {
				left -= n
				came = true
				return nil
			})
			if err != nil {
				return err
			}
		}
		if left == 0 {
			return nil
		}
	}
	return errors.New("not all connections get a message")
}

// fair pings on all connections except the first, one after another at the
// given rate, and returns the latencies. With flood, the first one sends
// continuously, with 64 KiB in flight.
func (s *swarm) fair(pings int, every time.Duration, flood bool) ([]time.Duration, error) {
	defer s.unwatch()
	if err := s.watch(); err != nil {
		return nil, err
	}
	flooder := s.conns[0]
	if flood {
		batch := max(64<<10/len(flooder.frames), 1)
		flooder.frames = bytes.Repeat(flooder.frames, batch)
		flooder.due *= batch
		if err := flooder.send(); err != nil {
			return nil, err
		}
	}
	var took []time.Duration
	next, sent := time.Now(), 0
	last := next
	for len(took) < pings {
		now := time.Now()
		if now.Sub(last) > patience {
			return nil, fmt.Errorf("no answer in %v", patience)
		}
		if p := s.conns[1+sent%(len(s.conns)-1)]; sent < pings && !now.Before(next) && p.sent.IsZero() {
			p.sent = now
			next = now.Add(every)
			sent++
			if err := p.send(); err != nil {
				return nil, err
			}
		}
		err := s.wait(0, func(p *peer, n int) error {
			if p.got += n; p.got < p.due {
				return nil
			}
			p.got = 0
			if p == flooder {
				return p.send()
			}
			last = time.Now()
			took = append(took, last.Sub(p.sent))
			p.sent = time.Time{}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(took)
	return took, nil
}
