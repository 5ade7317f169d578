// Package ws speaks the WebSocket protocol (RFC 6455) at the level of frames and
// of the opening handshake. Its functions hold no state: they work over bytes, and
// over any io.Reader, io.Writer or io.ReadWriter. Messages, control frames and
// what else lives as long as a connection are the matter of package wsutil.
//
// # Frames
//
// [ParseHeader] and [AppendHeader] are the codec, [AppendFrame] writes a whole
// frame, [Cipher] masks. [ReadHeader], [ReadFrame], [WriteHeader] and
// [WriteFrame] are thin wrappers around them. None of these judges whether a frame
// is allowed where it stands: that is the one question of [CheckHeader], which
// knows the side, the reserved bits that were negotiated, and whether a message
// is under way. A server's loop:
//
//	h, err := ws.ReadHeader(br)
//	if err == nil {
//		err = ws.CheckHeader(h, state)
//	}
//	if err != nil {
//		return err // a *ws.ProtocolError says which close frame answers it
//	}
//	p := make([]byte, h.Length) // behind a limit of your own
//	if _, err := io.ReadFull(br, p); err != nil {
//		return err
//	}
//	ws.Cipher(p, h.Mask, 0)
//
// The payload of a [Frame] is what stands on the wire: a frame that was read from
// a client is masked until [UnmaskFrameInPlace].
//
// # Handshakes
//
// [Upgrader] opens connections on the server's side of a raw connection,
// [HTTPUpgrader] under net/http. Both ask the same list of questions, that of
// [Upgrader.Decide], a function from a [Request] to an [Agreement] that does no I/O.
// An event loop calls it between [ParseRequest] and [AppendResponse], over bytes.
// [Dialer] is the client's side, on top of functions over bytes: an [Offer] says
// what the client asks for, [AppendRequest] renders it, and a [ResponseParser] takes
// what has arrived until the answer is whole. [CheckResponse] judges an answer of any
// version of HTTP. None of them loses a byte that the peer sent right behind its
// part of the handshake: the raw upgrade never takes it, the connections that
// [HTTPUpgrader.Upgrade] and [Dialer.Dial] return yield it first, and
// [Dialer.Upgrade] returns a reader that holds it.
//
// # Errors
//
// The type says who is at fault: a *[ProtocolError] is the peer's, and a
// *[ConnectionRejectedError] is a handshake that a server refused. An answer that a
// client refuses is one of the ErrHandshake values or [ErrMalformedResponse]. The
// rest is the caller's or the network's, wrapped. All are for errors.Is and
// errors.As.
//
// # Limits and security
//
// Reading never allocates by the length that a header declares. The head of a
// request or an answer is bounded to 16 KiB and 128 fields, what a request may ask
// for by [HandshakeLimits], and a handshake to ten seconds where the connection has
// deadlines; each has a field that changes it. What a peer sent is cut to 256 bytes in errors and answers, and
// errors of callbacks are not sent to it. Mask keys come from
// ChaCha8, seeded by the operating system. Whether a page of another origin may
// connect is for the caller to decide, with [SameOrigin] and field Origin from
// [Upgrader].OnHeader or the http.Request: browsers ask nobody before they connect.
//
// # Concurrency
//
// Functions and the methods of [Upgrader], [HTTPUpgrader] and [Dialer] may be
// called at once. Frames that several goroutines write to one writer, or read from
// one reader, are theirs to serialise.
package ws
