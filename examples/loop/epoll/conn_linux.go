package main

import (
	"syscall"

	"github.com/wskit/wskit/examples/loop"
)

func (s *server) watch(op, fd int, events uint32) error {
	return syscall.EpollCtl(s.epoll, op, fd, &syscall.EpollEvent{Events: events, Fd: int32(fd)})
}

func (s *server) accept() {
	for {
		fd, _, err := syscall.Accept4(s.listener, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
		if err != nil {
			return // no client is left, or no descriptor: epoll reports it again
		}
		if err := s.watch(syscall.EPOLL_CTL_ADD, fd, syscall.EPOLLIN|syscall.EPOLLRDHUP); err != nil {
			syscall.Close(fd)
			continue
		}
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
		c := &conn{fd: fd}
		c.Handle = loop.Echo
		c.Open(s.now())
		s.conns[fd] = c
	}
}

// serve reads and writes. epoll reports data again that does not fit into the
// buffer.
func (s *server) serve(c *conn, events uint32) {
	goesOn := true
	if events&^syscall.EPOLLOUT != 0 {
		n, err := syscall.Read(c.fd, s.buffer[:])
		switch {
		case n > 0:
			goesOn = c.Receive(s.now(), s.buffer[:n])
		case err != syscall.EAGAIN && err != syscall.EINTR:
			s.close(c)
			return
		}
	}
	s.flush(c, goesOn)
}

// flush sends Out, and closes a connection that does not continue.
func (s *server) flush(c *conn, goesOn bool) {
	for len(c.Out) > 0 {
		n, err := syscall.Write(c.fd, c.Out)
		if err == syscall.EAGAIN {
			break
		}
		if err != nil && err != syscall.EINTR {
			s.close(c)
			return
		}
		c.Out = c.Out[max(n, 0):]
	}
	if len(c.Out) == 0 {
		c.Out = nil // an idle connection holds no buffer
	}
	if !goesOn {
		syscall.Shutdown(c.fd, syscall.SHUT_WR)
		s.close(c)
		return
	}
	if writing := len(c.Out) > 0; writing != c.writing {
		c.writing = writing
		events := uint32(syscall.EPOLLIN | syscall.EPOLLRDHUP)
		if writing {
			events |= syscall.EPOLLOUT
		}
		s.watch(syscall.EPOLL_CTL_MOD, c.fd, events)
	}
}

func (s *server) close(c *conn) {
	delete(s.conns, c.fd)
	syscall.Close(c.fd) // also removes it from epoll
	c.Close()
}
