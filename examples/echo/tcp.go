package echo

import (
	"bufio"
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/wskit/wskit/ws"
)

// ServeTCP upgrades every connection that ln accepts, without net/http, and
// echoes on it. When ctx ends, it closes ln and connections in their handshake,
// closes all others with status 1001, waits for them and returns nil.
func (s *Server) ServeTCP(ctx context.Context, ln net.Listener) error {
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()

	var sessions sync.WaitGroup
	defer sessions.Wait()
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			sessions.Go(func() {
				s.report(conn.RemoteAddr().String(), s.serveConn(ctx, conn))
			})
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default: // out of descriptors, perhaps: connections will end
			s.report("none", err)
			time.Sleep(acceptPause)
		}
	}
}

// serveConn performs the handshake, which does not read past the request, and
// then the echo.
func (s *Server) serveConn(ctx context.Context, conn net.Conn) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	upgrader := ws.Upgrader{
		Timeout:  handshakeTimeout,
		Protocol: func(p []byte) bool { return string(p) == Protocol },
	}
	if _, err := upgrader.Upgrade(conn); err != nil {
		stop()
		linger(conn) // lets the client read the refusal
		conn.Close()
		return err
	}
	if !stop() {
		return ctx.Err()
	}
	return s.Echo(ctx, conn, bufio.NewReader(conn))
}
