// Package wsutil makes messages out of the frames of package ws: RFC 6455, sections
// 5.4 to 5.6 and 7. It begins where the handshake has ended, and serves both sides.
//
// # Three ways to use it
//
// [ReadData], [WriteMessage] and their relatives read and write one whole message on
// any io.ReadWriter. They answer control frames, and a fault of the peer with the
// close frame that it calls for. [AppendData] reads into a buffer of the caller's,
// and [Data] iterates. The names say whose data it is, not who calls: [ReadClientData]
// and [WriteServerMessage] are for a server.
//
// [Reader] and [Writer] stream: a message is an io.Reader, or an io.Writer with a buffer
// that leaves in fragments. Control frames go to callbacks, for which there is
// [ControlFrameHandler], and extensions see the reserved bits of each header through
// [RecvExtension] and [SendExtension].
//
// [Protocol] is the connection without the I/O: received bytes in, [Event] values out,
// and bytes to send. It is for event loops, proxies, tests and custom transports,
// and what package websocket is built on. It knows both directions, so that it can
// say what may still be sent. While it waits it holds no buffer and no goroutine,
// and is no larger than 128 bytes.
//
// Where the connection is a *bufio.ReadWriter or the destination a *bufio.Writer, what the
// caller writes stays in that buffer until the caller flushes it, so that several messages can
// leave together. What is answered on the caller's behalf is flushed at once, with all that waits
// before it.
//
// Beside them: [PreparedMessage] encodes a broadcast once. [CipherReader],
// [CipherWriter] and [UTF8Reader] are filters on streams. [DebugDialer],
// [DebugUpgrader] and [Tracer] show what is on the wire.
//
// # Driving a Protocol
//
// Give [Protocol.Next] what was received, in any cut, until it returns
// [io.ErrUnexpectedEOF]: all bytes are consumed then and none has to be kept. Its
// data events are chunks of messages; [Protocol.NextMessage] has whole messages
// instead. A payload is a view into the input, unmasked in place, wherever it lies
// there in one piece. [Protocol.AppendReply] answers pings and close frames;
// [Protocol.AppendMessage] and its relatives append what the caller has to say. At
// the end of the input, [Protocol.EOF] says what that makes of the connection.
//
// Extensions are negotiated elsewhere. Their reserved bits are claimed in
// [Config].State, show in [Event].Rsv, and are sent by [Protocol.AppendFragment]. Text
// that an extension has changed is not validated here, and lengths are counted as
// they stand on the wire.
//
// # What is checked
//
// All that RFC 6455 asks of what arrives: masking, reserved bits and opcodes, the
// order of fragments, control frames, close codes, and that text is UTF-8, which
// fails at the first byte that cannot be right (section 8.1). A fault ends
// the connection: the error stays, and [CloseCode] knows the code of the close
// frame that answers it. Errors of the peer are *[ws.ProtocolError] values, the end
// of a connection is a [ClosedError]; both are found through wrapping by errors.Is and
// errors.As. All other errors are mistakes of the caller, which leave the
// connection usable, or come from the network as they are.
//
// # Limits
//
// Memory grows with the bytes that arrive, never with the lengths that headers
// declare. A Protocol and the functions that read whole messages take messages of up
// to [DefaultMaxMessage] bytes, and all take up to [DefaultMaxFragments] fragments. A
// [Reader] holds no message and limits its size only when told. Each limit can be
// changed and turned off: in [Config], in the fields of Reader, or by an argument of
// [AppendDataLimit] and [Data]. A frame that crosses one is refused at its header,
// and the answer is 1009.
//
// # Time
//
// Nothing here knows the time. Who answers a peer waits for it to read: a peer that
// sends pings and reads no pong keeps [ReadData] in a Write, in which no memory
// grows, until that fails. Give it a connection whose Write sets a deadline of its
// own and takes it away again, so that every frame has its time:
//
//	func (c patient) Write(p []byte) (int, error) {
//		c.Conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
//		defer c.Conn.SetWriteDeadline(time.Time{})
//		return c.Conn.Write(p)
//	}
//
// After an error of Write a frame may be cut off, and the connection is over.
package wsutil
