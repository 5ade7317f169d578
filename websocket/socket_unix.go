//go:build unix

package websocket

import (
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/wskit/wskit/internal/bufpool"
)

// socket reads from a socket of package net without a buffer to wait with. A read
// tries before it waits, since the poller tells of new bytes only, and each try
// borrows a buffer.
//
// p, n and err are arguments and results of ready, which RawConn.Read calls without
// any: a closure for each read would be an allocation of 64 bytes.
type socket struct {
	raw   syscall.RawConn
	ready func(fd uintptr) bool
	p     []byte          // where to read to, or nil for a buffer that ready borrows; then what was read
	n     int             // how much was read
	err   error           //
	lent  *bufpool.Buffer // the borrowed buffer, in which p lies
}

// errNoBuffer asks the reader for a buffer.
var errNoBuffer = errors.New("no buffer")

// openSocket makes reads wait without a buffer, if the transport is a socket.
func (t *transport) openSocket() {
	var conn syscall.Conn
	switch rwc := t.ReadWriteCloser.(type) {
	case *net.TCPConn:
		conn = rwc
	case *net.UnixConn:
		if rwc.LocalAddr().Network() != "unix" {
			return // packets: to read nothing is not the end
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

// read reads into p, or if p is nil into a borrowed buffer, and waits for at least one
// byte.
func (s *socket) read(p []byte) (int, error) {
	s.p = p
	err := s.raw.Read(s.ready)
	for err == nil && s.err == errNoBuffer {
		bufpool.Get(inputSize).Free()
		err = s.raw.Read(s.ready)
	}
	if p != nil {
		s.p = nil // it is the caller's
	}
	return s.result(err)
}

// result returns what a read has come to, which err has ended, if not nil.
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

// tryRead reads without waiting, and reports false if there is nothing yet. It runs
// deep on a stack that should stay as small as it was made: where the pool has no
// buffer, it asks for one to be made by returning with errNoBuffer.
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
