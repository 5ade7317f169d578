package bench

import (
	"context"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// websocketLibrary is our package websocket, under a context that cannot end.
var websocketLibrary = Library{
	Name: "wskit-websocket",

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

func websocketOpen(conn *Conn, side Side) (*websocket.Conn, error) {
	return websocket.NewConn(conn, nil, ws.Handshake{}, wskitState(side), &websocket.ConnOptions{ReadLimit: -1})
}
