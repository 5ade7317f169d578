package conformance

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/wskit/wskit/examples/driver"
	"github.com/wskit/wskit/examples/echo"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Servers returns all server assemblies. They accept messages of up to limit
// bytes.
func Servers(limit int64) []Assembly {
	tcp := &echo.Server{MaxMessage: limit}
	off, takeover, none := websocket.CompressionDisabled, websocket.CompressionContextTakeover, websocket.CompressionNoContextTakeover
	return []Assembly{
		{Name: "ws over TCP", Serve: tcp.ServeTCP, excuse: wholeText},
		{Name: "ws over net/http", Serve: tcp.ServeHTTP, excuse: wholeText.and(netHTTP)},
		{Name: "wsutil's helpers", Serve: raw(helpers, limit)},
		{Name: "wsutil.Protocol", Serve: drive(false, limit)},
		{Name: "wsutil.Protocol and wsflate", Compresses: true, Serve: drive(true, limit)},
		{Name: "websocket", Serve: accept(off, limit), excuse: netHTTP},
		{Name: "websocket, takeover", Compresses: true, Serve: accept(takeover, limit), excuse: netHTTP},
		{Name: "websocket, no takeover", Compresses: true, Serve: accept(none, limit), excuse: netHTTP},
	}
}

// raw serves connections that are upgraded without net/http.
func raw(serve func(net.Conn, int64), limit int64) func(context.Context, net.Listener) error {
	return func(ctx context.Context, ln net.Listener) error {
		defer context.AfterFunc(ctx, func() { ln.Close() })()
		var open sync.WaitGroup
		defer open.Wait()
		for {
			conn, err := ln.Accept()
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
			open.Go(func() { defer conn.Close(); serve(conn, limit) })
		}
	}
}

// drive is an echo with the protocol without I/O, in its simplest driver.
func drive(compress bool, limit int64) func(context.Context, net.Listener) error {
	return func(ctx context.Context, ln net.Listener) error {
		return driver.Serve(ctx, ln, driverOptions(compress, limit), driver.Echo)
	}
}

func driverOptions(compress bool, limit int64) driver.Options {
	return driver.Options{Config: wsutil.Config{MaxMessage: limit}, Compress: compress}
}

// helpers is an echo with the one-line functions of wsutil.
func helpers(conn net.Conn, limit int64) {
	if _, err := ws.Upgrade(conn); err != nil {
		return
	}
	defer linger(conn)
	for m, err := range wsutil.Data(conn, ws.StateServerSide, limit) {
		if err != nil || wsutil.WriteServerMessage(conn, m.OpCode, m.Payload) != nil {
			return
		}
	}
}

// linger lets the peer read the last written bytes.
func linger(conn net.Conn) {
	if c, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = c.NetConn()
	}
	conn.(*net.TCPConn).CloseWrite()
	conn.SetReadDeadline(time.Now().Add(time.Second))
	io.Copy(io.Discard, conn)
}

// accept is an echo with package websocket.
func accept(mode websocket.CompressionMode, limit int64) func(context.Context, net.Listener) error {
	return func(ctx context.Context, ln net.Listener) error {
		var open sync.WaitGroup
		server := &http.Server{
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				open.Add(1)
				defer open.Done()
				c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
					CompressionMode: mode, ConnOptions: websocket.ConnOptions{ReadLimit: limit},
				})
				if err == nil {
					echoConn(ctx, c)
				}
			}),
			ReadHeaderTimeout: 10 * time.Second,
			ReadTimeout:       30 * time.Second,
			WriteTimeout:      30 * time.Second,
			IdleTimeout:       2 * time.Minute,
			MaxHeaderBytes:    16 << 10,
		}
		defer context.AfterFunc(ctx, func() { server.Close() })()
		err := server.Serve(ln)
		open.Wait()
		if err == http.ErrServerClosed {
			return nil
		}
		return err
	}
}

// echoConn echoes every message until the connection ends.
func echoConn(ctx context.Context, c *websocket.Conn) {
	defer c.CloseNow()
	for {
		typ, p, err := c.Read(ctx)
		if err != nil {
			return
		}
		if err := c.Write(ctx, typ, p); err != nil {
			return
		}
	}
}
