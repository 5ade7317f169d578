// Package websocket implements WebSocket connections (RFC 6455) with
// compression (RFC 7692). It has a handshake for net/http, whole messages and
// streams, a context for every call, concurrent writers, and a complete closing
// handshake.
//
// [Accept] performs the server's side of the handshake and [Dial] the client's.
// [NewConn] takes over a connection whose handshake was performed by package
// ws. All return a [Conn].
//
// # Reading
//
// [Conn.Read] returns a message in new memory, and [Conn.ReadAppend] appends it
// to a slice of the caller. [Conn.Messages] and [Conn.BorrowedMessages] iterate
// over messages, and [Conn.Reader] streams one. One goroutine may read at a
// time. A program must read even if it expects no messages, because reads
// answer pings, notice pongs and receive the peer's close frame.
// [Conn.CloseRead] starts a goroutine that does only that.
//
//	for {
//		typ, p, err := c.Read(ctx)
//		if err != nil {
//			return err // CloseStatus(err) is the code of the peer's close frame
//		}
//		if err := c.Write(ctx, typ, p); err != nil {
//			return err
//		}
//	}
//
// # Writing
//
// [Conn.Write] sends a message and [Conn.Writer] streams one. Both are safe for
// concurrent use. Control frames are sent between the frames of a long message.
//
// [Conn.Send] queues a message and never waits for the peer. It is for feeds,
// chats and everything else that sends to many connections. The queue has
// strict bounds. A policy says what happens if the peer does not keep up: close
// the connection, drop the new message, or drop the oldest. [Conn.SendKey]
// replaces the queued message with the same key. A goroutine that exists only
// while messages are queued sends them in as few writes as possible.
//
// # Contexts
//
// If a context ends while a call waits for a lock, for a message to begin, or
// to write the first byte of a frame, the connection is unchanged. If a context
// ends within a message being read or a frame being written, the connection is
// closed. The error wraps ctx.Err() and the cause, and says which of the two
// happened. Without a context, WriteTimeout and ReadIdleTimeout in
// [ConnOptions] set the same bounds, and KeepAlive detects peers that have
// vanished.
//
// # Closing
//
// [Conn.Close] sends a close frame, waits for the peer's close frame for at
// most CloseTimeout, and closes the transport. It makes sure that the peer
// receives the last message and the code. [Conn.CloseNow] only closes the
// transport. After the end of a connection, reads and writes return how it
// ended: [CloseStatus] returns the code, and [Conn.CloseRecord] reports which
// side closed first. A [Group] closes all its connections together, either at
// once or after their handlers have finished their current work.
//
// # Rooms
//
// A connection can join any number of groups. [Group.Broadcast] sends a message
// to all members. It encodes the message once and waits for no member.
// [Conn.SetValue] stores data of the program in the connection.
//
// # Reconnecting
//
// [Retryable] reports whether it makes sense to dial again after an error of
// Dial or after the end of a connection. [RetryAfter] returns how long the
// server asks the client to wait. Package
// [github.com/wskit/wskit/websocket/reconnect] keeps a client connected.
//
// # Limits
//
// Everything that a peer can make a connection hold or wait for has a bound. In
// the options, 0 means the default.
//
//	size of a message, decompressed   32,768 bytes   ReadLimit, SetReadLimit; negative for none
//	fragments of a message            1,048,576      MaxFragments
//	replies to be written             512 bytes; new pongs replace old ones
//	messages of Send                  64 KiB and 256 messages   Queue
//	closing handshake                 5 s            CloseTimeout
//	size of a request                 16 KiB, 32 offers   HandshakeLimits of AcceptOptions
//	time for a request                none           http.Server.ReadHeaderTimeout
//	time for a write                  none           WriteTimeout
//	silence of the peer               none           ReadIdleTimeout, KeepAlive
//
// Memory grows with the bytes that arrive, never with declared lengths.
// Incoming text that is not valid UTF-8 closes the connection. If a peer breaks
// a rule, the close frame says which. The caller must ensure that outgoing text
// is valid UTF-8.
//
// # Compression
//
// Compression is off by default. It is used if both sides enable it, for
// messages that are long enough and that become smaller. The table shows the
// maximum memory that a connection holds between messages for compression
// windows. A server can reduce it with smaller windows in CompressionPolicy.
// The documentation of package wsflate shows how they affect the compression
// ratio.
//
//	CompressionMode                from size   to send   to receive
//	CompressionDisabled                              0            0
//	CompressionNoContextTakeover   512 bytes         0            0
//	CompressionContextTakeover     128 bytes    57 KiB       32 KiB
//
// # Memory
//
// While a connection waits for a message, it has no goroutine of its own. On a
// socket it holds no buffer, and on other transports a small one. In addition
// to the stack of the goroutine that reads, it takes less than 1 KiB. That
// goroutine needs no more than 2 KiB of stack.
//
// A net/http server keeps its own reader and the request until the handler
// returns. A server with many idle connections should therefore serve each
// connection on a new goroutine and return from the handler:
//
//	func handle(w http.ResponseWriter, r *http.Request) {
//		c, err := websocket.Accept(w, r, nil)
//		if err != nil {
//			return
//		}
//		go serve(c) // not under r.Context(), which ends with the handler
//	}
//
// In steady state, ReadAppend into a buffer with room, BorrowedMessages, Write,
// Send, Ping and [Conn.WritePrepared] do not allocate, if their context cannot
// end or is the same each time.
//
// # In a browser
//
// On js/wasm, [Dial] uses the WebSocket object of a browser page or worker, or
// of another runtime such as Node 22. Without such an object it uses net/http.
// A Conn works as on other platforms, except for what the browser decides or
// does not support:
//
//   - HTTPClient, HTTPHeader, Host, and a user in the URL are errors that wrap
//     errors.ErrUnsupported. The browser handles cookies, Origin and
//     compression.
//   - The browser does not tell a page why a server cannot be reached. The
//     response has only the status 101 and the subprotocol. Dial fails if the
//     server chooses none of the Subprotocols.
//   - Pings cannot be sent: Ping returns nil at once while the connection is
//     open, and KeepAlive does nothing. The browser answers pings of the server
//     without reporting them. OnPingReceived and OnPongReceived are therefore
//     not called, and ReadIdleTimeout limits the time between messages.
//   - Only close codes 1000 and 3000 to 4999 can be sent. Other codes are
//     increased by 3000: 1001 becomes 4001, and the 1009 of a message that
//     exceeds the read limit becomes 4009.
//   - Messages that arrive after Close has sent its frame are lost. CloseNow
//     does not wait for the browser, which sends a close frame without a code.
//   - A message is sent when it is complete, even with Writer. FragmentSize has
//     no effect. Writing text that is not valid UTF-8 is an error that closes
//     the connection.
//   - A write waits while the browser holds more than 1 MiB that is not sent.
//   - A browser cannot slow down its server, so incoming messages are queued.
//     If a message arrives while the queue holds more than BrowserQueue of
//     [DialOptions], 16 MiB by default, the connection ends. The queued
//     messages can still be read; then reads return an error. A page should
//     read on a separate goroutine, and ask the server for more only when it
//     has processed the queued messages. A page that expects no messages should
//     use [Conn.CloseRead].
//
// # Coming from coder/websocket
//
// All names of that package have the same meaning here, so only the import path
// has to change. The behavior differs as follows:
//
//   - The end of a context closes the connection only within a message being
//     read or a frame being written. Otherwise the connection stays usable,
//     even after the context of CloseRead has ended, and the program has to
//     close it.
//   - A concurrent second read is [ErrConcurrentRead]. [Conn.Reader] skips the
//     rest of the previous message.
//   - Reads keep returning their first error instead of net.ErrClosed. The
//     errors of writes wrap net.ErrClosed and the reason why the connection
//     ended.
//   - CloseTimeout bounds all of Close, and a pending read returns messages
//     that arrive before the peer's close frame. Callbacks may call Close.
//     Close then finishes the handshake in place of the read that called the
//     callback. Closing a closed connection is not an error. A reason that is
//     too long is cut. After a code that may not be sent, the connection stays
//     open.
//   - Incoming text is validated. A message that is too long returns no data.
//   - A message of more than FragmentSize, 128 KiB by default, is sent in
//     frames of that size.
//   - Deadlines of [NetConn] return os.ErrDeadlineExceeded and leave the
//     connection usable. After Close, NetConn returns net.ErrClosed.
//   - Redirects do not send credentials to another origin. Dial follows ten
//     redirects.
//   - Accept also compares the scheme and port of origins. An origin without a
//     host, "null" or "file://", matches only a pattern that is equal to it. A
//     path in an origin is ignored, and ws means http. Accept fails if a
//     pattern can match no origin.
//   - Accept compares subprotocols case-sensitively. It refuses malformed
//     handshake fields and duplicate keys. A version other than 13 is answered
//     with status 426.
//   - An error of OnHandshake or ChooseSubprotocol is sent to the client as
//     status 500 without its text, unless it wraps a
//     [ws.RejectConnectionError].
//   - Accept writes the response with status 101 directly to the connection, so
//     that middleware can neither delay it nor see the status, unless
//     AnswerThroughWriter is set. A test that implements http.Hijacker reads the
//     response from the connection that its Hijack method returns.
//   - Package wsjson writes no newline after a value.
package websocket
