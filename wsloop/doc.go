// Package wsloop runs very many WebSocket connections on a few goroutines: servers and
// clients without a goroutine for each connection. The protocol is that of package
// wsutil, with compression. It is driven by epoll on Linux, by kqueue on macOS and the
// BSDs, and by goroutines on other systems and in tests; the API and the behavior are
// the same.
//
// # When to use it
//
// Package websocket is simpler: a handler is straight code that may block. This package
// is for servers whose connections mostly wait, or all get the same messages. A
// connection that waits takes some 400 bytes here, and some 4 KiB there.
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
// There are [Config].Loops loops, each of which is one goroutine. A connection stays on
// the loop that had the fewest connections when it came. Only the first loop accepts: new
// connections take time of its turns, and none of the others'.
//
// The kqueue poller is compiled and vetted for macOS and FreeBSD by CI, whose tests run on
// Linux. [Config].Goroutines does without a poller.
//
// # Handlers
//
// The functions of a [Handler] run on the loop of their connection, one at a time and
// in order. They must not block: [Conn.Go] moves the rest of a handler to a goroutine.
// All that one turn of the loop sends to a connection, whoever sends it, leaves in one
// system call. A payload is valid until the function returns.
//
// # Sending
//
// [Conn.Send] and its like never block and may be called by any goroutine. What waits
// is bounded, by 64 KiB unless [Config].Queue says otherwise; its policy says what
// happens to messages above the bound. [Conn.SendKey] replaces the value that waits
// under the same key, for tickers. [Conn.SendWait] blocks up to a context. A group of
// package websocket holds connections of both packages: its JoinMember takes a Conn, and
// a broadcast costs one system call for each receiver and turn.
//
// # Attaching
//
// [Server.Attach] takes connections whose handshake was done by net/http, by [ws.Dial],
// or by anything else, and [Server.Serve] does the handshake by itself: that costs
// least. With [Config].TLS a connection holds some 8 KiB more, and up to 20 KiB after
// large messages, in crypto/tls. A *tls.Conn that is attached needs a goroutine besides,
// since crypto/tls reads from the connection that it was made with. A proxy that ends TLS
// saves both.
//
// # Security
//
// Requests from pages of another origin are refused: see [Config].CheckOrigin. Limits
// and timeouts are on by default, except for the number of connections: see
// [Config].MaxConns and MaxConnsPerAddr.
package wsloop
