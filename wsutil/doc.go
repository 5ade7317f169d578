// Package wsutil reads and writes WebSocket messages (RFC 6455, sections 5.4 to
// 5.6 and 7). It works on connections whose handshake is complete, for both
// clients and servers, and builds on the frames of package ws.
//
// # Three ways to use it
//
// [AppendData], [Data], [WriteMessage] and similar functions read and write one
// whole message on any io.ReadWriter. They answer control frames, and they
// answer a fault of the peer with a close frame. AppendData appends to a buffer
// of the caller; Data is an iterator. The names say which side sent the
// message, not which side calls: a server calls [ReadClientData] and
// [WriteServerMessage].
//
// [Reader] and [Writer] stream. Reader is an io.Reader of one message at a
// time. Writer is an io.Writer that sends its buffer as fragments. Callbacks
// handle control frames; [ControlFrameHandler] returns one that answers them.
// [RecvExtension] and [SendExtension] handle the reserved bits of each header.
//
// [Protocol] is a connection without I/O: it turns received bytes into [Event]
// values and bytes to send. It is for event loops, proxies, tests and custom
// transports. Package websocket is built on it. It handles both directions,
// compression, the closing handshake and keepalive. Between messages it holds
// no buffer. Without compression and timeouts it takes at most 128 bytes.
//
// If the connection is a *bufio.ReadWriter, or the destination a *bufio.Writer,
// messages stay in its buffer until the caller flushes it, so that several
// messages can be sent together. Answers to control frames flush the buffer at
// once, with everything before them.
//
// [PreparedMessage] encodes a broadcast once. [CipherReader], [CipherWriter]
// and [UTF8Reader] filter streams. [DebugDialer], [DebugUpgrader] and [Tracer]
// show the bytes and frames on the wire.
//
// # Driving a Protocol
//
// A driver owns a transport, and locks if it has several goroutines. It does
// four things:
//
//   - It passes what it receives, cut anywhere, to [Protocol.Next] until Next
//     returns [io.ErrUnexpectedEOF]. All bytes are then consumed, and the
//     driver need not keep any. The payload of an event is a view into the
//     input if it is contiguous there. [Protocol.NextMessage] returns whole
//     messages instead, [Protocol.Gather] appends them to a slice of the
//     caller, and [Protocol.NextChunk] fills a slice of the caller. For a large
//     frame, [Protocol.Room] returns the part of that slice to receive into,
//     which saves a copy.
//   - It writes what the Append methods return. [Protocol.AppendReply] answers
//     pings and close frames. [Protocol.AppendMessage] sends a message.
//     [Protocol.AppendFrame] sends a message frame by frame, so that control
//     frames can be sent in between. [Replies] holds answers that have to wait.
//     [SendQueue] holds messages of senders that must not block.
//     [Protocol.Undo] takes back a message that could not be sent.
//   - It calls [Protocol.Tick] at each [Protocol.Deadline].
//   - It calls [Protocol.EOF] at the end of the input, and [Protocol.Fail] for
//     an error of its transport. [Protocol.AppendCloseFor] appends the close
//     frame that tells the peer about the error. [Protocol.Status] returns the
//     state of the closing handshake, and [Protocol.Transport] returns what to
//     do with the transport.
//
// # Compression
//
// With an [Inflater] and a [Deflater] in its [Config], a Protocol compresses
// and decompresses messages (RFC 7692). The caller sees only uncompressed
// messages. The types Receiver and Sender of package wsflate implement these
// interfaces. Limits count bytes after decompression. Text is validated after
// decompression.
//
// The caller negotiates and applies other extensions. It claims their reserved
// bits in [Config].State, finds them in [Event].Rsv, and sends them with
// [Protocol.AppendFragment]. The Protocol does not validate text that such an
// extension has changed, and it counts lengths as they are on the wire.
//
// # What is checked
//
// A Protocol checks everything that RFC 6455 requires of incoming data:
// masking, reserved bits, opcodes, the order of fragments, control frames,
// close codes, and UTF-8. Invalid text fails at the first byte that cannot be
// part of valid UTF-8 (section 8.1). A fault ends the connection. The first
// error is kept, and [CloseReply] returns the code and reason of the close
// frame that answers it. A fault of the peer is a *[ws.ProtocolError], and the
// end of a connection is a [ClosedError]; errors.As finds both in wrapped
// errors. Other errors are mistakes of the caller, which leave the connection
// usable, or errors of the network, which are returned unchanged.
//
// # Limits
//
// Memory grows with the bytes that arrive, never with the lengths that headers
// declare. A Protocol and the functions that read whole messages accept
// messages of up to [DefaultMaxMessage] bytes. By default, a message has at
// most [DefaultMaxFragments] fragments. A [Reader] holds no message, so its
// size limit is off by default. Each limit can be changed or turned off: in
// [Config], in the fields of Reader, or by an argument of [AppendDataLimit] and
// [Data]. A frame that exceeds a limit is refused when its header arrives, with
// close code 1009.
//
// # Time
//
// A Protocol has no clock. The caller passes times, measured from any fixed
// moment, and one timer is enough. [Protocol.Deadline] returns the next time at
// which something is due. [Protocol.Tick] returns what is due: a ping to send,
// or an error that ends the connection. The caller reports with
// [Protocol.Waits] and [Protocol.Heard] when a read of the transport begins and
// ends. Silence of the peer counts only during a read.
//
// Nothing else in this package uses time. A function that answers the peer
// blocks until the peer reads. A peer that sends pings and reads no pongs
// therefore blocks [AppendData] in Write, without growing memory, until Write
// fails. Pass a connection whose Write sets a deadline for each frame:
//
//	func (c patient) Write(p []byte) (int, error) {
//		c.Conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
//		defer c.Conn.SetWriteDeadline(time.Time{})
//		return c.Conn.Write(p)
//	}
//
// After an error of Write a frame may be incomplete, and the connection can no
// longer be used.
package wsutil
