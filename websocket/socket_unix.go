//go:build unix

package websocket

import (
	"net"
	"syscall"
)

// openSocket has reads from a socket of package net wait without a buffer. They try
// before they wait, since the poller tells of new bytes only, and each try borrows
// a buffer.
func (c *Conn) openSocket() {
	var conn syscall.Conn
	switch t := c.transport.ReadWriteCloser.(type) {
	case *net.TCPConn:
		conn = t
	case *net.UnixConn:
		if t.LocalAddr().Network() != "unix" {
			return // packets: to read nothing is not the end
		}
		conn = t
	default:
		return
	}
	if raw, err := conn.SyscallConn(); err == nil {
		c.transport.socket = raw
		c.transport.ready = c.readReady()
	}
}

// readReady returns a function that tries to read into c.in, or if that is empty into the
// input, and reports false if there is nothing yet. It runs deep on a stack that
// should stay as small as it was made: where the pool has no buffer, it asks for
// one to be made by returning with errNoBuffer.
func (c *Conn) readReady() func(fd uintptr) bool {
	return func(fd uintptr) bool {
		p := c.in
		if len(p) == 0 {
			if c.input = pooled(inputClass); c.input == nil {
				c.got, c.gotErr = 0, errNoBuffer
				return true
			}
			p = c.input.all()
		}
		n, err := syscall.Read(int(fd), p)
		for err == syscall.EINTR {
			n, err = syscall.Read(int(fd), p)
		}
		c.got, c.gotErr = n, err
		if len(c.in) > 0 {
			return err != syscall.EAGAIN
		}
		if n > 0 {
			c.in = p[:n]
			return true
		}
		c.input.free()
		c.input = nil
		return err != syscall.EAGAIN
	}
}
