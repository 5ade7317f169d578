//go:build unix

package websocket

import (
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/wskit/wskit/internal/bufpool"
)

// socket reads from a socket of package net without holding a buffer while it
// waits. The poller reports only new bytes, so a read tries before it waits.
// Each try borrows a buffer.
//
// p, n and err are the arguments and results of ready. RawConn.Read takes a
// function without arguments, and a closure for each read would allocate 64
// bytes.
type socket struct {
	raw   syscall.RawConn
	ready func(fd uintptr) bool
	p     []byte          // the destination, or nil to borrow a buffer; after ready, the data that was read
	n     int             // how much was read
	err   error           //
	lent  *bufpool.Buffer // the borrowed buffer, which holds p
}

// errNoBuffer asks the caller of ready to allocate a buffer.
var errNoBuffer = errors.New("no buffer")

// openSocket makes reads wait without a buffer, if the transport is a socket.
func (t *transport) openSocket() {
	var conn syscall.Conn
	switch rwc := t.ReadWriteCloser.(type) {
	case *net.TCPConn:
		conn = rwc
	case *net.UnixConn:
		if rwc.LocalAddr().Network() != "unix" {
			return // packets, where reading 0 bytes is not the end
		}
		conn = rwc
	default:
		return
	}
	if raw, err := conn.SyscallConn(); err == nil {
		t.socket = &socket{raw: raw}
		t.socket.ready = t.socket.tryRead
	}
}

// read reads at least one byte into p, or into a borrowed buffer if p is nil.
func (s *socket) read(p []byte) (int, error) {
	s.p = p
	err := s.raw.Read(s.ready)
	for err == nil && s.err == errNoBuffer {
		bufpool.Get(inputSize).Free()
		err = s.raw.Read(s.ready)
	}
	if p != nil {
		s.p = nil // the caller owns it
	}
	return s.result(err)
}

// result returns the result of a read; err, if not nil, has ended it.
func (s *socket) result(err error) (int, error) {
	switch {
	case err != nil:
		return 0, err
	case s.err != nil:
		return 0, s.err
	case s.n == 0:
		return 0, io.EOF
	}
	return s.n, nil
}

// tryRead reads without waiting, and returns false if no data is available. It
// runs deep on a stack that should not grow: if the pool has no buffer, tryRead
// returns with errNoBuffer, so that the caller allocates one.
func (s *socket) tryRead(fd uintptr) bool {
	p := s.p
	if p == nil {
		if s.lent = bufpool.Idle(inputSize); s.lent == nil {
			s.n, s.err = 0, errNoBuffer
			return true
		}
		p = s.lent.All()[:inputSize]
	}
	n, err := syscall.Read(int(fd), p)
	for err == syscall.EINTR {
		n, err = syscall.Read(int(fd), p)
	}
	s.n, s.err = n, err
	if s.p != nil {
		return err != syscall.EAGAIN
	}
	if n > 0 {
		s.p = p[:n]
		return true
	}
	s.lent.Free()
	s.lent = nil
	return err != syscall.EAGAIN
}
