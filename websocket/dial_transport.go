package websocket

import (
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"time"
)

// underlying returns the transport of a connection out of the body of an answer of status
// 101, and what of it has been read already. conn is the net.Conn known to lie under body,
// or nil: a RoundTripper that is no http.Transport may not have told.
func underlying(body io.ReadWriteCloser, conn net.Conn) (transport io.ReadWriteCloser, received []byte) {
	if conn == nil {
		return body, nil
	}
	if isPlainBody(body) {
		if received, ok := drain(body, conn); ok {
			return conn, received
		}
	}
	t := &bodyTransport{body, conn}
	if tls, ok := conn.(handshaker); ok {
		return &secureBodyTransport{t, tls}, nil
	}
	return t, nil
}

// isPlainBody reports whether body is what http.Transport makes of a connection: it yields
// what was read behind the answer, and then does what the connection does. What others
// have put around it may do more.
func isPlainBody(body io.ReadWriteCloser) bool {
	return reflect.TypeOf(body).String() == "*http.readWriteCloserBody"
}

// drain returns what body holds and need not read from conn; ok is false if conn has no
// deadlines to tell by.
func drain(body io.Reader, conn net.Conn) (held []byte, ok bool) {
	if conn.SetReadDeadline(longAgo) != nil {
		return nil, false
	}
	defer conn.SetReadDeadline(time.Time{})
	p := make([]byte, 4096)
	for {
		n, err := body.Read(p)
		held = append(held, p[:n]...)
		if err != nil { // of conn, which says so again if it is more than the deadline
			return held, true
		}
	}
}

// bodyTransport is a body, which carries the bytes, beside the connection under it, which has
// the deadlines.
type bodyTransport struct {
	io.ReadWriteCloser
	conn net.Conn
}

func (t *bodyTransport) SetReadDeadline(at time.Time) error  { return t.conn.SetReadDeadline(at) }
func (t *bodyTransport) SetWriteDeadline(at time.Time) error { return t.conn.SetWriteDeadline(at) }
func (t *bodyTransport) LocalAddr() net.Addr                 { return t.conn.LocalAddr() }
func (t *bodyTransport) RemoteAddr() net.Addr                { return t.conn.RemoteAddr() }

// CloseWrite ends the writing side alone, where the body or the connection can.
func (t *bodyTransport) CloseWrite() error {
	for _, half := range [...]any{t.ReadWriteCloser, t.conn} {
		if half, ok := half.(writeCloser); ok {
			return half.CloseWrite()
		}
	}
	return errors.ErrUnsupported
}

// secureBodyTransport is one over TLS, and shows it.
type secureBodyTransport struct {
	*bodyTransport
	tls handshaker
}

func (t *secureBodyTransport) HandshakeContext(ctx context.Context) error {
	return t.tls.HandshakeContext(ctx)
}

// NetConn returns what lies under TLS, for [Conn.closeTransport].
func (t *secureBodyTransport) NetConn() net.Conn {
	if s, ok := t.tls.(secured); ok {
		return s.NetConn()
	}
	return t.conn
}
