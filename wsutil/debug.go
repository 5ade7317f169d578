package wsutil

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"

	"github.com/wskit/wskit/ws"
)

// DebugDialer is a [ws.Dialer] that shows the bytes of its handshakes. It is
// safe for concurrent use if its callbacks are.
type DebugDialer struct {
	Dialer ws.Dialer

	// OnRequest is called with the bytes of the request, and OnResponse with
	// those of the response, after the handshake has succeeded or failed. A
	// callback is not called if there are no bytes for it. The bytes of a
	// refusal include the part of its body that was read, and nothing after the
	// body. The callbacks may retain the bytes.
	OnRequest, OnResponse func([]byte)
}

// Dial is [ws.Dialer.Dial] with the callbacks.
func (d *DebugDialer) Dial(ctx context.Context, urlstr string) (net.Conn, *bufio.Reader, ws.Handshake, error) {
	var rec *recordedConn
	dialer := d.Dialer
	dialer.WrapConn = func(conn net.Conn) net.Conn {
		if d.Dialer.WrapConn != nil {
			if conn = d.Dialer.WrapConn(conn); conn == nil {
				return nil
			}
		}
		rec = &recordedConn{Conn: conn}
		return rec
	}
	conn, br, hs, err := dialer.Dial(ctx, urlstr)
	if rec == nil {
		return conn, br, hs, err
	}
	rec.over = true
	answer := rec.in
	if br != nil {
		answer = answer[:len(answer)-br.Buffered()] // without frames after it
	}
	if refusal, ok := errors.AsType[*ws.ConnectionRejectedError](err); ok {
		answer = answer[:refusalSize(answer, refusal.StatusCode())]
	}
	tell(d.OnRequest, rec.out)
	tell(d.OnResponse, answer)
	if conn == net.Conn(rec) {
		conn = rec.Conn
	}
	return conn, br, hs, err
}

// refusalSize returns the size of the response with this status and its body at
// the start of p, including interim responses before it.
func refusalSize(p []byte, status int) int {
	src := bytes.NewReader(p)
	br := bufio.NewReader(src)
	for {
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			return len(p)
		}
		if _, err = io.Copy(io.Discard, resp.Body); err != nil {
			return len(p) // the body was cut short
		}
		if resp.StatusCode == status {
			return len(p) - src.Len() - br.Buffered()
		}
	}
}

// DebugUpgrader is a [ws.Upgrader] that shows the bytes of its handshakes. It
// is safe for concurrent use if its callbacks are.
type DebugUpgrader struct {
	// Upgrader is used for the handshakes. Its Timeout requires a net.Conn.
	Upgrader ws.Upgrader

	// OnRequest is called with the bytes of the request that were read, and
	// OnResponse with those of the response, after the handshake has succeeded
	// or failed. A callback is not called if there are no bytes for it. The
	// callbacks may retain the bytes.
	OnRequest, OnResponse func([]byte)
}

// Upgrade is [ws.Upgrader.Upgrade] with the callbacks.
func (d *DebugUpgrader) Upgrade(conn io.ReadWriter) (ws.Handshake, error) {
	var rec *record
	if conn == nil {
		return d.Upgrader.Upgrade(nil)
	}
	if c, ok := conn.(net.Conn); ok {
		recorded := &recordedConn{Conn: c}
		conn, rec = recorded, &recorded.record
	} else {
		recorded := &recordedStream{ReadWriter: conn}
		conn, rec = recorded, &recorded.record
	}
	hs, err := d.Upgrader.Upgrade(conn)
	tell(d.OnRequest, rec.in)
	tell(d.OnResponse, rec.out)
	return hs, err
}

func tell(callback func([]byte), p []byte) {
	if callback != nil && len(p) > 0 {
		callback(p)
	}
}

// record holds the bytes that pass until over is set.
type record struct {
	in, out []byte
	over    bool
}

func (r *record) read(src io.Reader, p []byte) (int, error) {
	n, err := src.Read(p)
	if !r.over {
		r.in = append(r.in, p[:n]...)
	}
	return n, err
}

func (r *record) write(dst io.Writer, p []byte) (int, error) {
	n, err := dst.Write(p)
	if !r.over {
		r.out = append(r.out, p[:n]...)
	}
	return n, err
}

type recordedConn struct {
	net.Conn
	record
}

func (c *recordedConn) Read(p []byte) (int, error)  { return c.read(c.Conn, p) }
func (c *recordedConn) Write(p []byte) (int, error) { return c.write(c.Conn, p) }

// NetConn returns the wrapped connection.
func (c *recordedConn) NetConn() net.Conn { return c.Conn }

type recordedStream struct {
	io.ReadWriter
	record
}

func (s *recordedStream) Read(p []byte) (int, error)  { return s.read(s.ReadWriter, p) }
func (s *recordedStream) Write(p []byte) (int, error) { return s.write(s.ReadWriter, p) }
