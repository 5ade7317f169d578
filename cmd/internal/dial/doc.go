// Package dial is wskit dial: a terminal for WebSocket connections, and a pipe.
//
// The client (client.go) opens a connection, again if it is told to, and takes what is
// to be sent from its input: a terminal with line editing (terminal.go), or a pipe
// (pipe.go). What comes goes to the printer (printer.go).
package dial
