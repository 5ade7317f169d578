// Package driver runs a WebSocket connection of [wsutil.Protocol] over a net.Conn, with one
// goroutine. It is a program to copy, for connections that package websocket does not fit.
//
// The protocol decides what the bytes mean, what answers them, and what is due when. The
// driver receives, writes, and keeps the time by means of read deadlines. It has compression,
// keepalive, limits, and both sides of the closing handshake.
//
// The goroutine writes itself, and does not read while it writes. A peer that sends much and
// reads little therefore waits, and is dropped after WriteTimeout. Only the handler may use
// the Conn: a program in which other goroutines send needs a lock around the sending half.
package driver
