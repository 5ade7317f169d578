// Package wsh2 is a client of WebSockets over HTTP/2 with extended CONNECT (RFC
// 8441). It is separate from package websocket so that other programs do not
// link HTTP/2.
//
//	t := new(wsh2.Transport)
//	defer t.Close()
//	c, _, err := websocket.Dial(ctx, "wss://example.com/", &websocket.DialOptions{Transport: t})
//
// WebSockets to one origin share connections. Each connection has two
// goroutines, one that reads and one that writes. WebSockets have no goroutines
// of their own.
//
// # Flow control
//
// Each stream has its own receive window ([Transport].StreamWindow), which
// reopens as the program reads. The window of the connection reopens as data
// arrives, so it never closes. A WebSocket that is not read holds at most its
// own window, and does not stall others. The server may behave differently: a
// server in Go shares a window of 1 MiB among all streams of a connection
// unless MaxReceiveBufferPerConnection of [net/http.HTTP2Config] is larger than
// the sum of MaxReceiveBufferPerStream.
//
// # Limits
//
// In every limit, 0 means the default and a negative value means none.
//
//	connections to an origin     16        MaxConns; then Connect waits
//	WebSockets of a connection   250       MaxStreams, and what the server allows
//	unread bytes of a stream     256 KiB   StreamWindow
//	the head of a response       16 KiB    MaxHeaderBytes
//	bytes waiting to be written  64 KiB for each connection
//	answers to control frames    64 KiB for each connection
package wsh2
