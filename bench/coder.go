package bench

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"sync"

	coder "github.com/coder/websocket"

	"github.com/wskit/wskit/ws"
)

// coderLibrary is github.com/coder/websocket with a context that never ends. It
// does not validate UTF-8.
var coderLibrary = Library{
	Name: "coder",

	UpgradeHTTP: func(w *ResponseWriter, r *http.Request) Job {
		return func(n int) error {
			for range n {
				w.Reset()
				if _, err := coder.Accept(w, r, &coderAccept); err != nil {
					return err
				}
			}
			return nil
		}
	},
	// Its client uses net/http, whose transport is part of this row.
	DialHTTP: func(conn *Conn) Job {
		client, open := httpClient(conn)
		opts := &coder.DialOptions{HTTPClient: client}
		return func(n int) error {
			for range n {
				open()
				c, _, err := coder.Dial(context.Background(), dialURL, opts)
				if err != nil {
					return err
				}
				c.CloseNow()
			}
			return nil
		}
	},
	Read: func(conn *Conn, side Side, buf []byte, every func([]byte)) (Job, error) {
		c, err := coderOpen(conn, side)
		return coderReading(c, buf, every), err
	},
	Write: func(conn *Conn, side Side, op ws.OpCode, p []byte) (Job, error) {
		c, err := coderOpen(conn, side)
		ctx := context.Background()
		return func(n int) error {
			for range n {
				if err := c.Write(ctx, coder.MessageType(op), p); err != nil {
					return err
				}
			}
			return nil
		}, err
	},
}

var coderAccept = coder.AcceptOptions{InsecureSkipVerify: true}

func coderOpen(conn *Conn, side Side) (c *coder.Conn, err error) {
	if side == Client {
		opts := &coder.DialOptions{HTTPClient: &http.Client{Transport: exchange{conn}}}
		c, _, err = coder.Dial(context.Background(), dialURL, opts)
	} else {
		var r *http.Request
		if r, err = httpRequest(); err == nil {
			c, err = coder.Accept(NewResponseWriter(conn), r, &coderAccept)
		}
	}
	if err == nil {
		c.SetReadLimit(-1)
	}
	return c, err
}

// exchange is an http.RoundTripper without goroutines, for rows that are not
// about the handshake.
type exchange struct{ conn *Conn }

func (e exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	e.conn.Answer()
	if err := r.Write(e.conn); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(e.conn), r)
	if err == nil {
		resp.Body = e.conn
	}
	return resp, err
}

// blockingConn is a Conn whose Read waits for bytes, because http.Transport
// reads while it writes.
type blockingConn struct {
	*Conn
	mu      sync.Mutex
	changed sync.Cond
	closed  bool
}

// httpClient returns a client whose connections are all conn. Call open before
// each.
func httpClient(conn *Conn) (client *http.Client, open func()) {
	bc := &blockingConn{Conn: conn}
	bc.changed.L = &bc.mu
	dial := func(context.Context, string, string) (net.Conn, error) { return bc, nil }
	return &http.Client{Transport: &http.Transport{DialContext: dial}}, bc.open
}

func (c *blockingConn) open() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = false
	c.Answer()
}

func (c *blockingConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.left == 0 && !c.closed {
		c.changed.Wait()
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

// coderReading reads messages into buf, and calls every with each.
func coderReading(c *coder.Conn, buf []byte, every func([]byte)) Job {
	ctx := context.Background()
	return func(n int) error {
		for range n {
			_, r, err := c.Reader(ctx)
			if err != nil {
				return err
			}
			if buf, err = readAll(r, buf); err != nil {
				return err
			}
			every(buf)
		}
		return nil
	}
}
