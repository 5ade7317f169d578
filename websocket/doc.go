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
// caller's, [Conn.Messages] iterates, and [Conn.Reader] streams. One goroutine reads at a
// time. Somebody has to read, even if no message is expected: pings, pongs and the peer's
// close frame are dealt with by reads. [Conn.CloseRead] starts a goroutine that does only
// that.
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
// for ever the same: [CloseStatus] finds the code, and [Conn.CloseRecord] tells who was first.
// A [Group] closes all its connections together.
//
// # Limits
//
// What a peer can make a connection hold or wait for is bounded; what is 0 in the options
// stands for the default.
//
//	a message, decompressed   32,768 bytes   ReadLimit, SetReadLimit; negative for none
//	fragments of a message    65,536
//	answers not yet written   1 KiB; older pongs give way to newer ones
//	the closing handshake     5 s            CloseTimeout
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
// In steady state nothing is allocated by ReadAppend into a buffer with room, Write, Ping and
// [Conn.WritePrepared], without a context that can end, or with the same one each time.
//
// # Coming from coder/websocket
//
// All names of that package mean the same here, and the import path is all that has to change.
// What is stricter or kinder:
//
//   - The end of a context closes the connection only where a message is half read or a frame
//     half written: else it can be used again, also after the context of CloseRead.
//   - A second read at the same time is [ErrConcurrentRead].
//   - CloseTimeout bounds all of Close, and a read under way gets what arrives before the
//     peer's close frame. Close may be called by callbacks.
//   - A message of more than FragmentSize, 128 KiB, goes out in frames of that size.
//   - Deadlines of [NetConn] leave the connection usable; once closed, it says net.ErrClosed.
//   - Redirects carry credentials to no other origin.
package websocket
