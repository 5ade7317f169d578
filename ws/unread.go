package ws

import (
	"bufio"
	"errors"
	"io"
	"net"
)

// unreadConn is a connection with bytes that were already read. Read returns
// them first. It shares them with the bufio.Reader that holds them, so that
// each byte is returned once, by either of them.
type unreadConn struct {
	net.Conn
	br *bufio.Reader
}

// unread returns conn, or if br has buffered bytes of it, a connection that
// first returns those bytes.
func unread(conn net.Conn, br *bufio.Reader) net.Conn {
	if br.Buffered() == 0 {
		return conn
	}
	return &unreadConn{conn, br}
}

// Read returns buffered bytes. If there are none, it reads from the connection.
func (c *unreadConn) Read(p []byte) (int, error) {
	if c.br.Buffered() > 0 {
		return c.br.Read(p)
	}
	return c.Conn.Read(p)
}

// CloseWrite closes the writing side, if the connection supports that.
func (c *unreadConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// NetConn returns the underlying connection. It does not return the buffered
// bytes.
func (c *unreadConn) NetConn() net.Conn { return c.Conn }

// Detach returns a copy of the bytes that br holds, and the underlying
// connection, so that br can be garbage collected. conn and br must come from
// [Dialer.Dial] or [HTTPUpgrader.Upgrade], or br must read from conn. If br is
// nil, as for a connection of [Dialer.RoundTrip], Detach uses the reader inside
// conn, if there is one.
func Detach(conn io.ReadWriteCloser, br *bufio.Reader) (behind io.ReadWriteCloser, received []byte) {
	c, ours := conn.(*unreadConn)
	if br == nil && ours {
		br = c.br
	}
	if br == nil || br.Buffered() == 0 {
		return conn, nil
	}
	received = make([]byte, br.Buffered())
	io.ReadFull(br, received) // which are available
	if ours && c.br == br {
		return c.Conn, received
	}
	return conn, received
}
