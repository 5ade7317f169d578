package bench

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"time"

	coder "github.com/coder/websocket"

	"github.com/wskit/wskit/ws"
)

// coderLibrary is github.com/coder/websocket with a context that never ends. It
// does not validate UTF-8.
var coderLibrary = Library{
	Name: "coder",

	Accept: func(timeout time.Duration) func(http.ResponseWriter, *http.Request) (io.Closer, error) {
		if timeout > 0 {
			return nil
		}
		return func(w http.ResponseWriter, r *http.Request) (io.Closer, error) {
			c, err := coder.Accept(w, r, &coderAccept)
			return abrupt{c}, err
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

// abrupt closes a connection without a closing handshake.
type abrupt struct{ conn interface{ CloseNow() error } }

func (a abrupt) Close() error { return a.conn.CloseNow() }

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
