package bench

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	gorilla "github.com/gorilla/websocket"

	"github.com/wskit/wskit/ws"
)

// gorillaLibrary is github.com/gorilla/websocket. It does not validate UTF-8.
var gorillaLibrary = Library{
	Name: "gorilla",

	Accept: func(timeout time.Duration) func(http.ResponseWriter, *http.Request) (io.Closer, error) {
		u := gorillaUpgrader
		u.HandshakeTimeout = timeout
		return func(w http.ResponseWriter, r *http.Request) (io.Closer, error) { return u.Upgrade(w, r, nil) }
	},
	Dial: func(conn *Conn) Job {
		d := gorillaDialer(conn)
		return func(n int) error {
			for range n {
				conn.Answer()
				if _, _, err := d.Dial(dialURL, nil); err != nil {
					return err
				}
			}
			return nil
		}
	},
	Read: func(conn *Conn, side Side, buf []byte, every func([]byte)) (Job, error) {
		c, err := gorillaOpen(conn, side)
		return gorillaReading(c, buf, every), err
	},
	Write: func(conn *Conn, side Side, op ws.OpCode, p []byte) (Job, error) {
		c, err := gorillaOpen(conn, side)
		return func(n int) error {
			for range n {
				if err := c.WriteMessage(int(op), p); err != nil {
					return err
				}
			}
			return nil
		}, err
	},
}

var gorillaUpgrader = gorilla.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

func gorillaDialer(conn *Conn) *gorilla.Dialer {
	return &gorilla.Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
}

func gorillaOpen(conn *Conn, side Side) (c *gorilla.Conn, err error) {
	if side == Client {
		conn.Answer()
		c, _, err = gorillaDialer(conn).Dial(dialURL, nil)
		return c, err
	}
	r, err := httpRequest()
	if err != nil {
		return nil, err
	}
	return gorillaUpgrader.Upgrade(NewResponseWriter(conn), r, nil)
}

// gorillaReading reads messages into buf, and calls every with each.
func gorillaReading(c *gorilla.Conn, buf []byte, every func([]byte)) Job {
	return func(n int) error {
		for range n {
			_, r, err := c.NextReader()
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
