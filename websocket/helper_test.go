package websocket

import (
	"context"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

var background = context.Background()

// pipePair returns the two sides of a connection over net.Pipe: nothing is written before
// it is read.
func pipePair(t testing.TB, server, client ConnOptions) (s, c *Conn) {
	a, b := net.Pipe()
	return pairOver(t, a, b, server, client)
}

// tcpPair is pipePair over TCP.
func tcpPair(t testing.TB, server, client ConnOptions) (s, c *Conn) {
	noLeaks(t)
	a, b := tcpConns(t)
	return pairOver(t, a, b, server, client)
}

// streamPair is tcpPair without what is only for sockets.
func streamPair(t testing.TB, server, client ConnOptions) (s, c *Conn) {
	noLeaks(t)
	a, b := tcpConns(t)
	return pairOver(t, struct{ net.Conn }{a}, struct{ net.Conn }{b}, server, client)
}

// noLeaks checks at the end of the test, after later cleanups, that no new
// goroutine is left. A bubble of testing/synctest checks that itself.
func noLeaks(t testing.TB) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

func pairOver(t testing.TB, a, b net.Conn, server, client ConnOptions) (s, c *Conn) {
	s = newConn(connConfig{transport: a, ConnOptions: server})
	c = newConn(connConfig{transport: b, client: true, ConnOptions: client})
	t.Cleanup(func() {
		s.CloseNow()
		c.CloseNow()
	})
	return s, c
}

func tcpConns(t testing.TB) (a, b *net.TCPConn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	dialed := make(chan net.Conn, 1)
	go func() {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			panic(err)
		}
		dialed <- c
	}()
	accepted, err := ln.Accept()
	require.NoError(t, err)
	a, b = accepted.(*net.TCPConn), (<-dialed).(*net.TCPConn)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// echo sends back what c receives until it ends.
func echo(c *Conn) error {
	var p []byte
	for {
		typ, q, err := c.ReadAppend(background, p[:0])
		if err != nil {
			return err
		}
		if err := c.Write(background, typ, q); err != nil {
			return err
		}
		p = q
	}
}

// within fails the test if f takes longer than the given time.
func within(t testing.TB, d time.Duration, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(d):
		buf := make([]byte, 1<<16)
		t.Fatalf("takes longer than %v\n%s", d, buf[:runtime.Stack(buf, true)])
	}
}
