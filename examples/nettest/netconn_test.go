// Package nettest runs the tests of golang.org/x/net/nettest against
// websocket.NetConn. The root module does not depend on golang.org/x/net.
package nettest

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
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
		a, b, err := tcp()
		if err != nil {
			return nil, nil, nil, err
		}
		return open(a, b)
	})
}

// Over TLS a deadline that ends a write closes the connection: that, and what
// comes after it, is a timeout as net.Error has it. FutureTimeout asks for a
// connection that can still be used, and so does ConcurrentMethods, whose
// deadlines of 10 ms end a write on a busy machine. nettest cannot leave its
// tests out, so that another process of this program does.
func TestNetConnOverTLS(t *testing.T) {
	if os.Getenv("NETTEST_TLS") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.skip=/(FutureTimeout|ConcurrentMethods)$")
		cmd.Env = append(os.Environ(), "NETTEST_TLS=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	forClient := srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	forClient.ServerName = "example.com"
	forServer := &tls.Config{Certificates: srv.TLS.Certificates}
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		a, b, err := tcp()
		if err != nil {
			return nil, nil, nil, err
		}
		client, server := tls.Client(a, forClient), tls.Server(b, forServer)
		shaken := make(chan error, 1)
		go func() { shaken <- server.Handshake() }()
		if err := errors.Join(client.Handshake(), <-shaken); err != nil {
			return nil, nil, nil, err
		}
		return open(client, server)
	})
}

// tcp returns both sides of a TCP connection.
func tcp() (a, b net.Conn, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	if a, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		return nil, nil, err
	}
	if b, err = ln.Accept(); err != nil {
		a.Close()
		return nil, nil, err
	}
	return a, b, nil
}

// open returns both sides of a connection over a and b. stop waits for pending
// calls of Close, and then closes both without a handshake, because most tests
// no longer read.
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
	// Close waits for the peer to read what was written before: on a busy
	// machine that may take any time.
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
