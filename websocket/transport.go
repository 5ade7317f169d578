package websocket

import (
	"context"
	"io"
	"syscall"
	"time"
)

// What a transport may have beside Read, Write and Close.
type (
	readDeadliner  interface{ SetReadDeadline(time.Time) error }
	writeDeadliner interface{ SetWriteDeadline(time.Time) error }
	writeCloser    interface{ CloseWrite() error }

	// handshaker is a TLS connection. A write of it that was interrupted cannot be
	// followed by another one.
	handshaker interface{ HandshakeContext(context.Context) error }
)

// transport is the stream of bytes under a connection. Reads belong to who has the turn
// to read, writes to who has the turn to write.
type transport struct {
	io.ReadWriteCloser
	socket syscall.RawConn       // whose reads wait without a buffer, or nil
	ready  func(fd uintptr) bool // reads from socket, made once
}

// longAgo is a deadline that interrupts what is under way.
var longAgo = time.Unix(1, 0)

// interrupt ends the reads or the writes that are under way.
func (c *Conn) interrupt(write bool) outcome {
	if c.setDeadline(write, longAgo) == nil {
		return interrupted
	}
	c.transport.Close()
	return destroyed
}

// resume makes the transport usable again after interrupt.
func (c *Conn) resume(write bool) { c.setDeadline(write, time.Time{}) }

func (c *Conn) setDeadline(write bool, t time.Time) error {
	if write {
		if d, ok := c.transport.ReadWriteCloser.(writeDeadliner); ok {
			return d.SetWriteDeadline(t)
		}
		return errNoDeadlines
	}
	if d, ok := c.transport.ReadWriteCloser.(readDeadliner); ok {
		return d.SetReadDeadline(t)
	}
	return errNoDeadlines
}

// survivesInterrupt reports whether writes can go on after one that was interrupted
// before its first byte.
func (t *transport) survivesInterrupt() bool {
	_, tls := t.ReadWriteCloser.(handshaker)
	return !tls
}
