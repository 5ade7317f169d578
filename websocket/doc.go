// Package websocket is the WebSocket connection that most programs want (RFC 6455, and
// RFC 7692 for compression): a handshake under net/http, whole messages or streams, a context
// for every call, concurrent writers and a real closing handshake.
//
// [Accept] is the server's side of the handshake and [Dial] the client's; [NewConn] takes
// over what the functions of package ws have upgraded. What they return is a [Conn].
//
// # Reading
//
// [Conn.Read] returns a message in memory of its own, [Conn.ReadAppend] appends it to the
// caller's, [Conn.Messages] and [Conn.BorrowedMessages] iterate, and [Conn.Reader] streams.
// One goroutine reads at a time. A program has to read even if it expects no message:
// reads answer pings, notice pongs and take the peer's close frame. [Conn.CloseRead] starts
// a goroutine that does only that.
//
//	for {
//		typ, p, err := c.Read(ctx)
//		if err != nil {
//			return err // CloseStatus(err) is the peer's code, if it has said one
//		}
//		if err := c.Write(ctx, typ, p); err != nil {
//			return err
//		}
//	}
//
// # Writing
//
// [Conn.Write] sends a message and [Conn.Writer] streams one; any number of goroutines may
// do so at once. Control frames go between the frames of a long message.
//
// [Conn.Send] queues a message and never waits for the peer: it is for feeds, chats and all
// that send to many connections. The queue has strict bounds, and a policy for a peer that
// does not keep up: close, drop the new message or drop the oldest. [Conn.SendKey] replaces
// the waiting message with the same key. What waits leaves in as few writes as possible, by
// a goroutine that exists only meanwhile.
//
// # Contexts
//
// A context that ends while a call waits for its turn, for a message to begin or for the first
// byte of a frame to go out leaves the connection as it was. One that ends with a message half
// read or a frame half written closes the connection. The error wraps ctx.Err(), the cause,
// and says which it was. Without a context, WriteTimeout and ReadIdleTimeout in [ConnOptions]
// bound the same, and KeepAlive finds peers that have vanished.
//
// # Closing
//
// [Conn.Close] sends a close frame, waits for the peer's for CloseTimeout at most, and closes
// the transport such that the peer gets the last message and the code. [Conn.CloseNow]
// only closes the transport. How a connection ended is in the error of reads and writes,
// the same from then on: [CloseStatus] finds the code, and [Conn.CloseRecord] tells who was first.
// A [Group] closes all its connections together, at once or after their handlers have
// answered what they work on.
//
// # Rooms
//
// A connection joins and leaves any number of groups, and [Group.Broadcast] sends a message
// to all members, encoded once and without waiting for any of them. [Conn.SetValue] stores
// what the program knows of the connection.
//
// # Coming back
//
// [Retryable] says of an error of Dial, or of the end of a connection, whether it makes sense
// to dial again, and [RetryAfter] how long the server asks to wait. Package
// [github.com/wskit/wskit/websocket/reconnect] keeps a client connected.
//
// # Limits
//
// What a peer can make a connection hold or wait for is bounded; what is 0 in the options
// stands for the default.
//
//	a message, decompressed   32,768 bytes   ReadLimit, SetReadLimit; negative for none
//	fragments of a message    1,048,576      MaxFragments
//	answers not yet written   512 bytes; older pongs give way to newer ones
//	messages of Send          64 KiB and 256 messages   Queue
//	the closing handshake     5 s            CloseTimeout
//	what a request asks for   16 KiB, 32 offers   HandshakeLimits of AcceptOptions
//	the time for a request    none           http.Server.ReadHeaderTimeout
//	a write                   none           WriteTimeout
//	silence                   none           ReadIdleTimeout, KeepAlive
//
// Memory grows with the bytes that arrive, never with declared lengths. Text is UTF-8, or the
// connection is closed. A peer that breaks a rule is told which by the close frame; where
// text is sent, that it is UTF-8 is for the program to see to.
//
// # Compression
//
// It is off by default. Both sides have to want it, and a message goes out compressed only if it
// is long enough and becomes smaller by that. This is what a connection holds of windows between
// messages at most; a server that sets CompressionPolicy can have less, by smaller windows:
// package wsflate has the table, and what it costs in ratio.
//
//	CompressionMode                from on      to send   to receive
//	CompressionDisabled                              0            0
//	CompressionNoContextTakeover   512 bytes         0            0
//	CompressionContextTakeover     128 bytes    57 KiB       32 KiB
//
// # Memory
//
// A connection that waits for a message holds no buffer on a socket, and a small one on other
// transports, and has no goroutine of its own: besides its reader's stack it takes
// less than a KiB. The path to where it waits is so shallow that 2 KiB of stack do.
//
// Under net/http the server keeps its own reader and the request as long as the handler runs. A
// server with many idle connections hands each over to a goroutine of its own and returns
// from the handler, upon which all of that is let go:
//
//	func handle(w http.ResponseWriter, r *http.Request) {
//		c, err := websocket.Accept(w, r, nil)
//		if err != nil {
//			return
//		}
//		go serve(c) // not under r.Context(), which ends with the handler
//	}
//
// In steady state nothing is allocated by ReadAppend into a buffer with room,
// BorrowedMessages, Write, Send, Ping and [Conn.WritePrepared], without a context that can
// end, or with the same one each time.
//
// # In a browser
//
// For js/wasm, [Dial] goes through the WebSocket object of the browser, in a page or a worker, or
// of what else has one, as Node from version 22 on does; elsewhere it goes through net/http. A
// Conn is used as on other platforms. What the browser decides, or cannot do:
//
//   - HTTPClient, HTTPHeader, Host, and a user in the URL, are errors that wrap
//     errors.ErrUnsupported. Cookies, Origin and compression are the browser's matter.
//   - Why a server cannot be reached a page is not told. The response is one of status 101 with
//     the subprotocol, and no more. A server that takes none of the Subprotocols is refused.
//   - No pings can be sent: Ping returns nil at once while the connection is open, and KeepAlive does
//     nothing. Those of the server are answered, and not seen: OnPingReceived and OnPongReceived are
//     not called, and messages alone end the silence that ReadIdleTimeout bounds.
//   - Of close codes, 1000 and 3000 to 4999 can be sent. The others go out as 3000 more, 1001 as
//     4001 and 1009, which answers a message beyond the read limit, as 4009.
//   - What arrives after Close has sent its frame is lost. CloseNow does not wait, but the
//     browser closes with a handshake, without a code.
//   - A message goes out once it is whole, also that of a Writer, and FragmentSize does not count.
//     Text that is not UTF-8 is an error of the write, and closes the connection.
//   - A write waits while the browser holds more than 1 MiB that is not with the network.
//   - A browser cannot hold its server back. What arrives waits to be read, and if another message
//     arrives while more than BrowserQueue of [DialOptions] waits, 16 MiB, the connection ends: the
//     messages that wait can be read, and then reads return an error. A page should read in a
//     goroutine of its own, ask for more only when it is done with what it has, or use
//     [Conn.CloseRead] if it expects nothing.
//
// # Coming from coder/websocket
//
// All names of that package mean the same here, and the import path is all that has to change.
// What is stricter or kinder:
//
//   - The end of a context closes the connection only where a message is half read or a frame
//     half written: else it can be used again, also after the context of CloseRead, and has to
//     be closed by who needs it no longer.
//   - A second read at the same time is [ErrConcurrentRead]. [Conn.Reader] skips what is left of the
//     message before.
//   - Errors of reads stay what they were first, and do not become net.ErrClosed; those of
//     writes are net.ErrClosed, and what ended the connection.
//   - CloseTimeout bounds all of Close, and a read under way gets what arrives before the
//     peer's close frame. Close may be called by callbacks, and finishes the handshake
//     in place of the read that has called them. Closing what is closed is no error, a reason that is too long is cut, and after a code
//     that may not be sent the connection is open.
//   - Text that arrives is UTF-8. A message that is too long yields no data.
//   - A message of more than FragmentSize, 128 KiB, goes out in frames of that size.
//   - Deadlines of [NetConn] are os.ErrDeadlineExceeded and leave the connection usable; once
//     closed, it says net.ErrClosed.
//   - Redirects carry credentials to no other origin, and ten are followed.
//   - Accept compares origins by scheme and port, too. An origin without a host, "null" or
//     "file://", matches only the pattern that spells it out. A path in an origin does not count, and
//     ws counts as http. A pattern that can match nothing makes Accept fail.
//   - Accept compares subprotocols letter by letter, and refuses malformed fields of the
//     handshake, and two keys. A version that is not 13 is status 426.
//   - An error of OnHandshake or ChooseSubprotocol reaches the client as a plain status 500, unless it is
//     one of [ws.RejectConnectionError].
//   - Accept writes its answer of status 101 to the connection: no middleware can hold it up, and
//     none sees the status, unless AnswerThroughWriter is set. A test's ResponseWriter finds it in what
//     it lets Hijack return.
//   - Package wsjson writes no newline behind a value.
package websocket
