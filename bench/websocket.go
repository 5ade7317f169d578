package bench

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// websocketLibrary is our package websocket with a context that never ends.
var websocketLibrary = Library{
	Name: "wskit-websocket",

	Accept: func(timeout time.Duration) func(http.ResponseWriter, *http.Request) (io.Closer, error) {
		if timeout != ws.DefaultHandshakeTimeout {
			return nil
		}
		opts := &websocket.AcceptOptions{InsecureSkipVerify: true}
		return func(w http.ResponseWriter, r *http.Request) (io.Closer, error) {
			c, err := websocket.Accept(w, r, opts)
			return abrupt{c}, err
		}
	},
	DialHTTP: func(conn *Conn) Job {
		client, open := httpClient(conn)
		opts := &websocket.DialOptions{HTTPClient: client}
		return func(n int) error {
			for range n {
				open()
				c, _, err := websocket.Dial(context.Background(), dialURL, opts)
				if err != nil {
					return err
				}
				c.CloseNow()
			}
			return nil
		}
	},
	Read: func(conn *Conn, side Side, buf []byte, every func([]byte)) (Job, error) {
		c, err := websocketOpen(conn, side)
		ctx := context.Background()
		return func(n int) error {
			for range n {
				_, p, err := c.ReadAppend(ctx, buf[:0])
				if err != nil {
					return err
				}
				every(p)
			}
			return nil
		}, err
	},
	Write: func(conn *Conn, side Side, op ws.OpCode, p []byte) (Job, error) {
		c, err := websocketOpen(conn, side)
		ctx := context.Background()
		return func(n int) error {
			for range n {
				if err := c.Write(ctx, websocket.MessageType(op), p); err != nil {
					return err
				}
			}
			return nil
		}, err
	},
}

// websocketInPlace sends messages with room for a header before them.
var websocketInPlace = Library{
	Name: "wskit-websocket-inplace",

	Write: func(conn *Conn, side Side, op ws.OpCode, p []byte) (Job, error) {
		c, err := websocket.NewConn(conn, nil, ws.Handshake{}, wskitState(side), &websocket.ConnOptions{FragmentSize: -1})
		ctx := context.Background()
		return inPlace(side, p, func(buf []byte) error {
			return c.WriteInPlace(ctx, websocket.MessageType(op), buf)
		}), err
	},
}

func websocketOpen(conn *Conn, side Side) (*websocket.Conn, error) {
	return websocket.NewConn(conn, nil, ws.Handshake{}, wskitState(side), &websocket.ConnOptions{ReadLimit: -1})
}
