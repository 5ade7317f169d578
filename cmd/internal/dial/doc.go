// Package dial implements wskit dial: a terminal for WebSocket connections, and
// a pipe.
//
// The client (client.go) opens a connection, and reopens it with --reconnect.
// It reads its input from a terminal with line editing (terminal.go) or from a
// pipe (pipe.go). The printer (printer.go) prints messages.
package dial
