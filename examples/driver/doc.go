// Package driver runs a WebSocket connection of [wsutil.Protocol] over a
// net.Conn, with one goroutine. It is a program to copy, for connections that
// package websocket does not fit.
//
// The protocol interprets received bytes, produces the answers, and decides
// what is due at which time. The driver reads, writes, and implements timeouts
// with read deadlines. It has compression, keepalive, limits, and both sides of
// the closing handshake.
//
// The same goroutine reads and writes, and does not read while it writes. A
// peer that sends much and reads little therefore has to wait, and is dropped
// after WriteTimeout. Only the handler may use the Conn. A program in which
// other goroutines send needs a lock around the sending half.
package driver
