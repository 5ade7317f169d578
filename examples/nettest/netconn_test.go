// Package nettest runs the tests of golang.org/x/net/nettest against
// websocket.NetConn. The root module does not depend on golang.org/x/net.
package nettest

import (
	"context"
	"net"
	"sync"
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

// open returns both sides of a connection over a and b. stop closes both without
// a handshake, for in most tests nobody reads any more, after the calls of Close
// that are under way.
func open(a, b net.Conn) (_, _ net.Conn, stop func(), _ error) {
	client, err := newSide(a, ws.StateClientSide)
	if err != nil {
		return nil, nil, nil, err
	}
	server, err := newSide(b, ws.StateServerSide)
	if err != nil {
		return nil, nil, nil, err
	}
	return client, server, func() { client.stop(); server.stop() }, nil
}

// side is one side of a connection that stop can close after Close.
type side struct {
	net.Conn
	conn    *websocket.Conn
	closing sync.RWMutex // read-locked by Close
}

func newSide(conn net.Conn, state ws.State) (*side, error) {
	// Close waits for the peer to read what was written before: on a busy machine
	// that may take any time.
	options := &websocket.ConnOptions{CloseTimeout: time.Hour, ReadLimit: -1}
	c, err := websocket.NewConn(conn, nil, ws.Handshake{}, state, options)
	if err != nil {
		return nil, err
	}
	return &side{Conn: websocket.NetConn(context.Background(), c, websocket.MessageBinary), conn: c}, nil
}

func (s *side) Close() error {
	s.closing.RLock()
	defer s.closing.RUnlock()
	return s.Conn.Close()
}

func (s *side) stop() {
	s.closing.Lock()
	defer s.closing.Unlock()
	s.conn.CloseNow()
}
