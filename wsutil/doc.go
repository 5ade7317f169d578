// Package wsutil makes messages out of the frames of package ws (RFC 6455, sections
// 5.4 to 5.6 and 7). It begins where the handshake has ended, and serves both sides.
//
// # Three ways to use it
//
// [AppendData], [Data], [WriteMessage] and their relatives read and write one whole
// message on any io.ReadWriter. They answer control frames, and a fault of the peer
// with the close frame that it calls for. AppendData reads into a buffer of the
// caller, and Data iterates. The names say whose data it is, not which side calls:
// [ReadClientData] and [WriteServerMessage] are for a server.
//
// [Reader] and [Writer] stream: a message is an io.Reader, or an io.Writer with a
// buffer that leaves in fragments. Control frames go to callbacks, for which there is
// [ControlFrameHandler], and extensions see the reserved bits of each header through
// [RecvExtension] and [SendExtension].
//
// [Protocol] is the connection without I/O: received bytes in, [Event] values and
// bytes to send out. It is for event loops, proxies, tests and custom transports, and
// package websocket is built on it. It knows both directions, compression, the
// closing handshake and keepalive. While it waits between messages it holds no buffer
// and no goroutine, and is no larger than 128 bytes, without compression and times.
//
// If the connection is a *bufio.ReadWriter or the destination a *bufio.Writer, what
// the caller writes stays in that buffer until the caller flushes it, so that several
// messages can leave together. Answers are flushed at once, with everything that
// waits in front of them.
//
// Beside them, [PreparedMessage] encodes a broadcast once. [CipherReader],
// [CipherWriter] and [UTF8Reader] are filters on streams. [DebugDialer],
// [DebugUpgrader] and [Tracer] show what is on the wire.
//
// # Driving a Protocol
//
// A driver owns a transport, and if it has several goroutines, locks. It does four
// things:
//
//   - It gives what it receives to [Protocol.Next], in any cut, until Next returns
//     [io.ErrUnexpectedEOF]: all bytes are consumed then and none has to be kept.
//     The payload of an event is a view into the input if it lies there in one piece.
//     [Protocol.NextMessage] returns whole messages instead, [Protocol.Gather] appends
//     them to a slice of the caller, and [Protocol.NextChunk] fills one. For a large
//     frame, [Protocol.Room] says where in that slice to receive, without a copy.
//   - It writes what the Append methods return: [Protocol.AppendReply] answers pings
//     and close frames, [Protocol.AppendMessage] sends a message, and
//     [Protocol.AppendFrame] sends one frame by frame, so that control frames can go in
//     between. [Replies] holds answers that have to wait, and [SendQueue] messages of
//     senders that must not block. [Protocol.Undo] takes a message back that could
//     not be sent.
//   - It calls [Protocol.Tick] at each [Protocol.Deadline].
//   - At the end of the input it calls [Protocol.EOF], and for errors of its transport
//     [Protocol.Fail]. [Protocol.AppendCloseFor] makes the close frame that tells the
//     peer, [Protocol.Status] says how far the closing handshake has come, and
//     [Protocol.Transport] what to do with the transport.
//
// # Compression
//
// With an [Inflater] and a [Deflater] in its [Config], a Protocol compresses messages
// and decompresses them (RFC 7692): events and sends are decoded messages. The types
// Receiver and Sender of package wsflate satisfy these interfaces. Limits count bytes
// after decompression, and text is validated then.
//
// Other extensions are negotiated and applied by the caller. Their reserved bits are
// claimed in [Config].State, show in [Event].Rsv, and are sent by
// [Protocol.AppendFragment]. Text that such an extension has changed is not validated
// here, and lengths are counted as they are on the wire.
//
// # What is checked
//
// Everything that RFC 6455 asks of what arrives: masking, reserved bits and opcodes,
// the order of fragments, control frames, close codes, and that text is UTF-8, which
// fails at the first byte that cannot be right (section 8.1). A fault ends the
// connection: the error stays, and [CloseReply] returns the code and reason of the
// close frame that answers it. Errors of the peer are *[ws.ProtocolError] values, and
// the end of a connection is a [ClosedError]; errors.Is and errors.As find both
// through wrapping. All other errors are mistakes of the caller, which leave the
// connection usable, or come from the network as they are.
//
// # Limits
//
// Memory grows with the bytes that arrive, never with the lengths that headers
// declare. A Protocol and the functions that read whole messages accept messages of up
// to [DefaultMaxMessage] bytes, and all accept up to [DefaultMaxFragments] fragments. A
// [Reader] holds no message and limits its size only if told to. Each limit can be
// changed and turned off: in [Config], in the fields of Reader, or by an argument of
// [AppendDataLimit] and [Data]. A frame that exceeds one is refused at its header, and
// the answer is 1009.
//
// # Time
//
// A Protocol has no clock. The caller passes times, measured from any fixed moment,
// and one timer is enough: [Protocol.Deadline] returns the next moment at which
// something is due, and [Protocol.Tick] what: a ping to send, or an error that ends
// the connection. [Protocol.Waits] and [Protocol.Heard] say when a read of the
// transport waits, since only then silence of the peer counts.
//
// Nothing else in this package knows the time. A function that answers the peer waits
// until the peer reads: a peer that sends pings and reads no pong keeps [AppendData]
// in a Write, in which no memory grows, until that fails. Give it a connection whose
// Write sets a deadline and takes it away again, so that every frame has its time:
//
//	func (c patient) Write(p []byte) (int, error) {
//		c.Conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
//		defer c.Conn.SetWriteDeadline(time.Time{})
//		return c.Conn.Write(p)
//	}
//
// After an error of Write a frame may be cut off, and the connection is over.
package wsutil
