// Package nettest has what websocket.NetConn returns pass the tests of
// golang.org/x/net/nettest, on which the root module does not depend.
package nettest

import (
	"context"
	"net"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

func TestNetConnOverPipe(t *testing.T) {
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		a, b := net.Pipe()
		return open(a, b)
	})
}

func TestNetConnOverTCP(t *testing.T) {
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, nil, err
		}
		defer ln.Close()
		a, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			return nil, nil, nil, err
		}
		b, err := ln.Accept()
		if err != nil {
			a.Close()
			return nil, nil, nil, err
		}
		return open(a, b)
	})
}

// open returns both sides of a connection over a and b.
func open(a, b net.Conn) (_, _ net.Conn, stop func(), _ error) {
	options := &websocket.ConnOptions{CloseTimeout: 100 * time.Millisecond, ReadLimit: -1}
	c, err := websocket.NewConn(a, nil, ws.Handshake{}, ws.StateClientSide, options)
	if err != nil {
		return nil, nil, nil, err
	}
	s, err := websocket.NewConn(b, nil, ws.Handshake{}, ws.StateServerSide, options)
	if err != nil {
		return nil, nil, nil, err
	}
	ctx := context.Background()
	stop = func() {
		c.Close(websocket.StatusNormalClosure, "") // waits for one that is under way
		s.Close(websocket.StatusNormalClosure, "")
	}
	return websocket.NetConn(ctx, c, websocket.MessageBinary), websocket.NetConn(ctx, s, websocket.MessageBinary), stop, nil
}
