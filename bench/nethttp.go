package bench

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// blockingConn is a Conn whose Read waits for bytes, because net/http reads
// while it writes. Only deadlines that are long ago have an effect: they end a
// Read.
type blockingConn struct {
	*Conn
	mu      sync.Mutex
	changed sync.Cond
	closed  bool
	late    bool
}

func newBlockingConn(conn *Conn) *blockingConn {
	c := &blockingConn{Conn: conn}
	c.changed.L = &c.mu
	return c
}

// httpClient returns a client whose connections are all conn. Call open before
// each.
func httpClient(conn *Conn) (client *http.Client, open func()) {
	bc := newBlockingConn(conn)
	dial := func(context.Context, string, string) (net.Conn, error) { return bc, nil }
	return &http.Client{Transport: &http.Transport{DialContext: dial}}, func() { bc.open(conn.Answer) }
}

// open opens c again. fill makes bytes available, or an answer.
func (c *blockingConn) open(fill func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed, c.late = false, false
	fill()
}

func (c *blockingConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.left == 0 && !c.closed && !c.late {
		c.changed.Wait()
	}
	if c.late {
		return 0, os.ErrDeadlineExceeded
	}
	return c.Conn.Read(p)
}

func (c *blockingConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.changed.Broadcast()
	return c.Conn.Write(p)
}

func (c *blockingConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.changed.Broadcast()
	return nil
}

func (c *blockingConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

func (c *blockingConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.late = !t.IsZero() && t.Unix() < 1e9
	c.changed.Broadcast()
	return nil
}

// serving starts a server of net/http without a network, which answers request
// with accept and closes the connection. job opens one connection after another,
// all of them over conn. end stops the server.
func serving(conn *Conn, accept func(http.ResponseWriter, *http.Request) (io.Closer, error)) (job Job, end func() error) {
	l := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	answered := make(chan error)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := accept(w, r)
		if err == nil {
			err = c.Close()
		}
		answered <- err
	})}
	go srv.Serve(l)
	conn.Replay(request, 1, false)
	bc := newBlockingConn(conn)
	return func(n int) error {
		for range n {
			bc.open(func() { conn.Rewind(len(request)) })
			l.conns <- bc
			if err := <-answered; err != nil {
				return err
			}
		}
		return nil
	}, srv.Close
}

// listener is a net.Listener of the connections that it is sent.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	close(l.closed)
	return nil
}

func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }
