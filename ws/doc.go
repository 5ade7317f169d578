// Package ws implements frames and the opening handshake of the WebSocket
// protocol (RFC 6455). Its functions hold no state. They work on bytes, and on
// any io.Reader, io.Writer or io.ReadWriter. Package wsutil handles messages,
// control frames and the state of a connection.
//
// # Frames
//
// [ParseHeader] and [AppendHeader] decode and encode headers, [AppendFrame]
// encodes a whole frame, and [Cipher] masks. [ReadHeader], [ReadFrame],
// [WriteHeader] and [WriteFrame] are thin wrappers around them. None of these
// checks whether a frame is allowed. [CheckHeader] does that, given the side,
// the negotiated reserved bits, and whether a message is open. The loop of a
// server:
//
//	h, err := ws.ReadHeader(br)
//	if err == nil {
//		err = ws.CheckHeader(h, state)
//	}
//	if err != nil {
//		return err // a *ws.ProtocolError says which close frame answers it
//	}
//	p := make([]byte, h.Length) // check your own limit first
//	if _, err := io.ReadFull(br, p); err != nil {
//		return err
//	}
//	ws.Cipher(p, h.Mask, 0)
//
// The payload of a [Frame] is in wire form: a frame that was read from a client
// stays masked until [UnmaskFrameInPlace] unmasks it.
//
// # Handshakes
//
// [Upgrader] is the server side of the handshake on a raw connection, and
// [HTTPUpgrader] under net/http. Both make the checks of [Upgrader.Decide],
// which maps a [Request] to an [Agreement] without I/O. An event loop calls
// [ParseRequest], Decide and [AppendResponse] on its own buffers. [Dialer] is
// the client side. On buffers, [AppendRequest] encodes an [Offer], and
// [ResponseParser] parses a response in pieces. [CheckResponse] checks a
// response of any version of HTTP.
//
// # Errors
//
// The type of an error shows whose fault it is. A *[ProtocolError] is the peer's
// fault. A *[ConnectionRejectedError] is a handshake that a server refused. If
// a client refuses a response, the error is an ErrHandshake value or
// [ErrMalformedResponse]. Other errors come from the caller or the network. Use
// errors.Is and errors.As for all of them.
//
// # Limits and security
//
// Reading never allocates the length that a header declares. The head of a
// request or response has at most 16 KiB and 128 fields. [HandshakeLimits]
// limits the offers of a request. A handshake takes at most ten seconds if the
// connection has deadlines. Fields of [Upgrader], [HTTPUpgrader] and [Dialer]
// change these limits. Errors and responses contain at most 256 bytes of data
// from the peer. The texts of errors of callbacks are not sent to the peer.
// Mask keys come from ChaCha8, seeded by the operating system. Browsers let any
// page connect to any server. The caller must decide whether to accept pages of
// other origins, with [SameOrigin] and the Origin field from
// [Upgrader].OnHeader or the http.Request.
//
// # Concurrency
//
// Functions and the methods of [Upgrader], [HTTPUpgrader] and [Dialer] are safe
// for concurrent use. Goroutines that share a reader or a writer must
// synchronize.
package ws
