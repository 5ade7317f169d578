package ws

import (
	"bufio"
	"errors"
	"io"
	"net"
)

// unreadConn is a connection of which some bytes have been read already: Read
// yields them first. It shares the bytes with the bufio.Reader that holds them,
// so that each is read once, whether from there or from here.
type unreadConn struct {
	net.Conn
	br *bufio.Reader
}

// unread returns conn, or if br has read more of it than was asked for, a
// connection that yields those bytes first.
func unread(conn net.Conn, br *bufio.Reader) net.Conn {
	if br.Buffered() == 0 {
		return conn
	}
	return &unreadConn{conn, br}
}

// Read reads what is buffered, or if there is nothing, from the connection.
func (c *unreadConn) Read(p []byte) (int, error) {
	if c.br.Buffered() > 0 {
		return c.br.Read(p)
	}
	return c.Conn.Read(p)
}

// CloseWrite ends the writing side alone, where the connection itself can.
func (c *unreadConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// NetConn returns the connection itself. What is buffered is not read from it.
func (c *unreadConn) NetConn() net.Conn { return c.Conn }

// Detach returns what br holds, in memory of its own, and the connection behind it, so
// that br may be let go of. conn and br are as [Dialer.Dial] and [HTTPUpgrader.Upgrade]
// return them, or br reads from conn. br may be nil, as for what [Dialer.RoundTrip]
// returns: then it is the one of conn, if that has one.
func Detach(conn io.ReadWriteCloser, br *bufio.Reader) (behind io.ReadWriteCloser, received []byte) {
	c, ours := conn.(*unreadConn)
	if br == nil && ours {
		br = c.br
	}
	if br == nil || br.Buffered() == 0 {
		return conn, nil
	}
	received = make([]byte, br.Buffered())
	io.ReadFull(br, received) // which are there
	if ours && c.br == br {
		return c.Conn, received
	}
	return conn, received
}
