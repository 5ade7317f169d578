//go:build linux

package main

import (
	"bytes"
	"fmt"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/wskit/wskit/bench/echoserver"
)

// swarm is the load: many connections on one goroutine and one epoll. It counts
// bytes and does not compare them.
type swarm struct {
	epoll int
	conns []*peer
	buf   []byte
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
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	s := &swarm{epoll: epoll, buf: make([]byte, 256<<10)}
	for i := range conns {
		c, err := echoserver.Dial(addr, library, echoserver.Options{}, text, 1)
		if err != nil {
			s.close()
			return nil, err
		}
		p := new(peer)
		s.conns = append(s.conns, p)
		err = p.adopt(c, pipeline)
		c.Close() // the duplicate stays open
		if err != nil {
			s.close()
			return nil, err
		}
		ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
		if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, p.fd, &ev); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// adopt duplicates the descriptor, without the runtime's poller.
func (p *peer) adopt(c *echoserver.Client, pipeline int) error {
	conn, frame, echo := c.Raw()
	p.frames = bytes.Repeat(frame, pipeline)
	p.due = len(echo) * pipeline
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
	if err == nil {
		err = unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20)
	}
	return err
}

func (s *swarm) close() {
	for _, p := range s.conns {
		if p.fd > 0 {
			unix.Close(p.fd)
		}
	}
	unix.Close(s.epoll)
}

// send sends one batch of a peer.
func (p *peer) send() error {
	n, errno := transfer(unix.SYS_SENDTO, p.fd, p.frames)
	switch {
	case errno != 0:
		return errno
	case n < len(p.frames):
		return fmt.Errorf("the socket takes %d of %d bytes", n, len(p.frames))
	}
	return nil
}

// transfer sends or receives. It does not notify the runtime, because the call
// does not block.
func transfer(call uintptr, fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}

// wait receives available data, and calls each with the peer and the number of
// bytes. It waits at most timeout milliseconds.
func (s *swarm) wait(timeout int, each func(p *peer, n int) error) error {
	n, err := unix.EpollWait(s.epoll, s.raw[:], timeout)
	for err == unix.EINTR {
		n, err = unix.EpollWait(s.epoll, s.raw[:], timeout)
	}
	for i := 0; i < n && err == nil; i++ {
		p := s.conns[s.raw[i].Fd]
		m, errno := transfer(unix.SYS_RECVFROM, p.fd, s.buf)
		switch {
		case errno == unix.EAGAIN, errno == unix.EINTR:
		case errno != 0:
			err = errno
		case m == 0:
			err = fmt.Errorf("the server has closed a connection")
		default:
			err = each(p, m)
		}
	}
	return err
}

// patience is how long the swarm waits for a server.
const patience = 20_000 // ms

// echo sends on all connections, and again after each answer, up to the given
// number of messages.
func (s *swarm) echo(messages, pipeline int) error {
	batches := max(messages/pipeline, 1)
	started, done := 0, 0
	for _, p := range s.conns[:min(len(s.conns), batches)] {
		if err := p.send(); err != nil {
			return err
		}
		started++
	}
	for done < batches {
		before := done
		err := s.wait(patience, func(p *peer, n int) error {
			if p.got += n; p.got < p.due {
				before-- // it continues
				return nil
			}
			p.got = 0
			done++
			if started < batches {
				started++
				return p.send()
			}
			return nil
		})
		if err == nil && before == done {
			err = fmt.Errorf("no answer in %d ms", patience)
		}
		if err != nil {
			return err
		}
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
		for left := len(s.conns) * s.conns[0].due; left > 0; {
			before := left
			err := s.wait(patience, func(_ *peer, n int) error { left -= n; return nil })
			if err == nil && before == left {
				err = fmt.Errorf("no message in %d ms", patience)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// gather sends broadcasts until all connections have received one, because
// servers may answer a handshake before they add the connection.
func (s *swarm) gather() error {
	for range 50 {
		if err := s.conns[0].send(); err != nil {
			return err
		}
		left := len(s.conns) * s.conns[0].due
		for came := true; came; {
			came = false
			err := s.wait(200, func(_ *peer, n int) error {
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
	return fmt.Errorf("not all connections get a message")
}

// fair pings on all connections except the first, one after another at the
// given rate, and returns the latencies. With flood, the first one sends
// continuously, with 64 KiB in flight.
func (s *swarm) fair(pings int, every time.Duration, flood bool) ([]time.Duration, error) {
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
		if now.Sub(last) > patience*time.Millisecond {
			return nil, fmt.Errorf("no answer in %d ms", patience)
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
