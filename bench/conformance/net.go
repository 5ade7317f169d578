package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"
)

// eachConn serves every connection on its own goroutine and closes it.
func eachConn(serve func(net.Conn)) func(context.Context, net.Listener) error {
	return func(_ context.Context, ln net.Listener) error {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return err
			}
			go func() { defer conn.Close(); serve(conn) }()
		}
	}
}

// eachRequest serves a handler of net/http.
func eachRequest(handle http.HandlerFunc) func(context.Context, net.Listener) error {
	return func(_ context.Context, ln net.Listener) error { return http.Serve(ln, handle) }
}

// lingerTCP lets the peer read the last written bytes. Closing with unread
// input would reset the connection.
func lingerTCP(conn net.Conn) {
	if c, ok := conn.(interface{ CloseWrite() error }); ok {
		c.CloseWrite()
	}
	conn.SetReadDeadline(time.Now().Add(time.Second))
	io.Copy(io.Discard, conn)
}
