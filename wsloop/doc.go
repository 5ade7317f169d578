// Package wsloop runs very many WebSocket connections on a few goroutines:
// servers and clients without a goroutine for each connection. The protocol is
// that of package wsutil, with compression. Loops wait for connections with
// epoll on Linux, with kqueue on macOS and the BSDs, and with goroutines on
// other systems and in tests. The API and the behavior are the same everywhere.
//
// # When to use it
//
// Package websocket is simpler: its handlers are sequential code that may
// block. This package is for servers whose connections are mostly idle, or all
// receive the same messages. An idle connection takes about 400 bytes in this
// package, and about 4 KiB in package websocket.
//
//	s, err := wsloop.New(nil, &wsloop.Handler{
//		Message: func(c *wsloop.Conn, op ws.OpCode, payload []byte) {
//			c.Send(op, payload)
//		},
//	})
//	// ...
//	err = s.Serve(listener)
//
// # Loops
//
// There are [Config].Loops loops, each of which is one goroutine. A connection
// is assigned to the loop with the fewest connections, and stays there. Only
// the first loop accepts connections. In each iteration, a loop handles the
// events of its connections and then writes what they send.
//
// CI runs tests on Linux only. It compiles the kqueue poller for macOS and
// FreeBSD, and tests it on Linux over an emulation of kqueue. [Config].Goroutines
// replaces the poller by goroutines.
//
// # Handlers
//
// The functions of a [Handler] run on the loop of their connection, one at a
// time and in order. They must not block: [Conn.Go] moves the rest of a handler
// to a goroutine. At the end of an iteration, the loop writes all messages for
// a connection in one system call. A payload is valid until the function
// returns.
//
// # Sending
//
// [Conn.Send] and its variants never block and may be called by any goroutine.
// Messages that the transport does not accept wait in a queue, which holds at
// most 64 KiB by default. The policy in [Config].Queue applies to messages
// above that limit. [Conn.SendKey] replaces a waiting message with the same
// key, which suits tickers. [Conn.SendWait] blocks until there is room or a
// context ends. A group of package websocket holds connections of both
// packages: its method JoinMember accepts a Conn. Broadcasts cost one system
// call for each receiver and iteration.
//
// # Attaching
//
// [Server.Attach] adds connections after a handshake by net/http, [ws.Dial] or
// others. [Server.Serve] performs the handshake itself and costs least. With
// [Config].TLS, crypto/tls holds about 8 KiB more for each connection, and up
// to 20 KiB after large messages. An attached *tls.Conn also needs a goroutine,
// because crypto/tls reads from the connection that it was created with. A
// proxy that terminates TLS avoids both costs.
//
// # Security
//
// Requests from pages of another origin are refused: see [Config].CheckOrigin.
// Limits and timeouts are on by default, except for the number of connections:
// see [Config].MaxConns and MaxConnsPerAddr.
package wsloop
