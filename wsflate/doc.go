// Package wsflate implements permessage-deflate, the compression of WebSocket
// messages (RFC 7692), for both sides of a connection.
//
// # Negotiation
//
// A server has a policy, which is a value of type Parameters, and one Extension
// for each handshake. Extension.Negotiate is the callback of ws.Upgrader and
// ws.HTTPUpgrader. Set Extension.Adaptive if a Sender compresses the messages,
// because a Sender follows the agreement. Without Adaptive, Negotiate declines
// some offers that Parameters.Answer accepts. A client puts the result of
// Parameters.Option into ws.Dialer.Extensions and passes the answer to
// Parameters.Confirm. Answer and Confirm are pure functions that return the
// agreement.
//
// # Messages
//
// Sender and Receiver compress and inflate the messages of one connection, with
// or without context takeover, in windows of 256 bytes to 32 KiB. Each uses the
// parameters of its direction. The package also has:
//
//   - Reader and Writer stream the fragments of a message. They wrap a
//     wsutil.Reader and a wsutil.Writer, which have a MessageState as an
//     extension. They also accept the Compressor and Decompressor of another
//     package, such as compress/flate.
//   - Helper, CompressFrame and DecompressFrame are for single frames, without
//     takeover.
//   - Profile compresses a broadcast once for all connections with the same
//     parameters, as an encoding of a wsutil.PreparedMessage.
//
// A wsutil.Protocol compresses if Config.Inflater is a Receiver and
// Config.Deflater is a Sender.
//
// # What is sent
//
// A message is sent compressed only if it is at least as long as a threshold
// and becomes smaller: see SenderConfig. A message that is sent plain does not
// enter the window. At level 1, messages of up to 32 KiB are compressed by an
// encoder for small messages with prepared codes. It takes a tenth of the time
// of a general encoder at 128 bytes, and less than half at 4 KiB. Larger
// messages and other levels use github.com/klauspost/compress. With a window of
// less than 15 bits, that package has only one level. This level compresses
// better and is slower: a message of 64 KiB takes about twice as long as with
// 15 bits, or one and a half times as long with takeover. BenchmarkAppend in
// internal/deflate measures all of this.
//
// # Memory
//
// The table lists the maximum memory that a connection holds between messages,
// in each direction. A test measures it. Memory for an open message comes from
// a pool. An incomplete received message takes 4 KiB more, or 12 KiB inside a
// block with its own Huffman code. Without takeover, Append and Read also hold
// up to 40 KiB of history; Extend holds none. A Reader has a buffer of 1 to 16
// KiB, which grows with the size of the reads. A message that is sent in parts
// takes up to 80 KiB.
//
//	                      sends     receives
//	no context takeover       0            0
//	takeover,  8 bits    10 KiB     0.25 KiB
//	takeover, 10 bits    11 KiB        1 KiB
//	takeover, 12 bits    15 KiB        4 KiB
//	takeover, 15 bits    57 KiB       32 KiB
//
// A Sender holds at most 32 bytes of its window for each compressed byte that
// it has produced. For example, a peer sends 32 KiB of zeros in 50 bytes. A
// server that echoes them holds 17 KiB instead of 41. A Receiver must hold all
// data that later messages may refer to. A server limits that with
// ClientMaxWindowBits.
//
// DefaultParameters disables takeover and suits a server with 100,000
// connections. SmallWindow takes up to 15 KiB for each connection, and helps
// most if messages are small. In a feed of trades and quotes in JSON, messages
// of 128 bytes shrink to 0.32 of their length instead of 0.87, those of 512
// bytes to 0.29 instead of 0.46, and those of 4 KiB to 0.23 instead of 0.26.
// TestDocumentedRatios in internal/deflate checks these figures.
//
// # Limits
//
// A message of 1 MiB may inflate to 1 GiB. Each call that inflates therefore
// has a limit in inflated bytes: an argument of Receiver.Append and Extend,
// Reader.SetLimit, or Helper.MaxMessage. The default is DefaultMaxMessage. A
// message of exactly the limit is accepted. A longer message is ErrTooLarge,
// with close code 1009. Data that cannot be inflated is ErrCorrupt, with close
// code 1007. A reserved bit on the wrong frame is ErrUnexpectedCompressionBit,
// with close code 1002. All three are *ws.ProtocolError values, which errors.As
// finds.
//
// # Secrets
//
// An attacker who can place text next to a secret in the same window, and can
// see the lengths of messages, can guess the secret. Do not compress messages
// that contain secrets: send them plain, or over a connection without
// compression.
package wsflate
