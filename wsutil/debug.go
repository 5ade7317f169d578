package wsutil

import (
	"bufio"
	"context"
	"io"
	"net"

	"github.com/wskit/wskit/ws"
)

// DebugDialer is a [ws.Dialer] that shows the bytes of its handshakes. It may be used
// by any number of goroutines at once, as far as its callbacks may.
type DebugDialer struct {
	Dialer ws.Dialer

	// OnRequest is called with the bytes of the request and OnResponse with those of
	// the answer, both when the handshake is over, well or not, and each unless there
	// are none. A refusal is shown with as much of its body as was read. They may keep
	// the bytes.
	OnRequest, OnResponse func([]byte)
}

// Dial is [ws.Dialer.Dial], with the callbacks.
func (d *DebugDialer) Dial(ctx context.Context, urlstr string) (net.Conn, *bufio.Reader, ws.Handshake, error) {
	var rec *recordedConn
	dialer := d.Dialer
	dialer.WrapConn = func(conn net.Conn) net.Conn {
		if d.Dialer.WrapConn != nil {
			conn = d.Dialer.WrapConn(conn)
		}
		rec = &recordedConn{Conn: conn}
		return rec
	}
	conn, br, hs, err := dialer.Dial(ctx, urlstr)
	if rec == nil {
		return conn, br, hs, err
	}
	rec.over = true
	behind := 0 // frames that came with the answer
	if br != nil {
		behind = br.Buffered()
	}
	tell(d.OnRequest, rec.out)
	tell(d.OnResponse, rec.in[:len(rec.in)-behind])
	if conn == net.Conn(rec) {
		conn = rec.Conn
	}
	return conn, br, hs, err
}

// DebugUpgrader is a [ws.Upgrader] that shows the bytes of its handshakes. It may be
// used by any number of goroutines at once, as far as its callbacks may.
type DebugUpgrader struct {
	// Upgrader's Timeout needs a net.Conn here.
	Upgrader ws.Upgrader

	// OnRequest is called with the bytes of the request, as far as they were read,
	// and OnResponse with those of the answer, both when the handshake is over, well
	// or not, and each unless there are none. They may keep the bytes.
	OnRequest, OnResponse func([]byte)
}

// Upgrade is [ws.Upgrader.Upgrade], with the callbacks.
func (d *DebugUpgrader) Upgrade(conn io.ReadWriter) (ws.Handshake, error) {
	var rec *record
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

// record is what has passed until it is over.
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

// NetConn returns the connection itself.
func (c *recordedConn) NetConn() net.Conn { return c.Conn }

type recordedStream struct {
	io.ReadWriter
	record
}

func (s *recordedStream) Read(p []byte) (int, error)  { return s.read(s.ReadWriter, p) }
func (s *recordedStream) Write(p []byte) (int, error) { return s.write(s.ReadWriter, p) }
