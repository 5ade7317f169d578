// Package wsh2 opens WebSockets over HTTP/2 by extended CONNECT (RFC 8441), on the
// client's side. It is separate from package websocket so that other programs do not
// link HTTP/2.
//
//	t := new(wsh2.Transport)
//	defer t.Close()
//	c, _, err := websocket.Dial(ctx, "wss://example.com/", &websocket.DialOptions{Transport: t})
//
// WebSockets to one origin share connections. Each connection has two goroutines, one
// that reads and one that writes, and none for each WebSocket.
//
// # Flow control
//
// Each stream has a receive window of its own ([Transport].StreamWindow), which is
// returned as the program reads. The window of the connection is returned as data
// arrives, and so never closes: a WebSocket that nobody reads holds at most its own
// window, and the others go on. Whether the server does the same is up to the server:
// one in Go shares a window of 1 MiB among all streams of a connection unless
// MaxReceiveBufferPerConnection of [net/http.HTTP2Config] is larger than the sum of
// MaxReceiveBufferPerStream.
//
// # Limits
//
// In every limit 0 means the default and a negative value none.
//
//	connections to an origin     16        MaxConns; then Connect waits
//	WebSockets of a connection   250       MaxStreams, and what the server allows
//	unread bytes of a stream     256 KiB   StreamWindow
//	the head of an answer        16 KiB    MaxHeaderBytes
//	bytes on their way out       64 KiB for each connection
//	answers to control frames    64 KiB for each connection
package wsh2
