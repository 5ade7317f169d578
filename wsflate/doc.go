// Package wsflate compresses messages: permessage-deflate, RFC 7692, for both sides of a
// connection.
//
// # Negotiation
//
// A server has a policy, Parameters, and an Extension for each handshake, whose Negotiate is the
// callback of ws.Upgrader and ws.HTTPUpgrader. Its field Adapts is to be set by all who send by a
// Sender, which keeps to whatever was agreed on; without it, some offers are declined that
// Parameters.Answer accepts. A client puts Parameters.Option into ws.Dialer.Extensions, and asks
// Parameters.Confirm about the answer. Both are pure functions below, Parameters.Answer and
// Confirm, and what they return is what was agreed on.
//
// # Messages
//
// Sender and Receiver compress and inflate whole messages, on bytes, as a connection has agreed:
// with context takeover or without, in windows of 256 bytes to 32 KiB. Which parameter
// concerns which direction is theirs to know. Beside them:
//
//   - Reader and Writer stream a message, over all its fragments, around a wsutil.Reader and a
//     wsutil.Writer, with a MessageState as their extension. They take any other Compressor and
//     Decompressor, such as those of compress/flate.
//   - Helper, CompressFrame and DecompressFrame are for single frames, without takeover.
//   - Form compresses a broadcast once for all connections with the same parameters, as a form
//     of a wsutil.PreparedMessage.
//
// With a wsutil.Protocol, claim ws.StateRSV1 in its Config; an Event of a compressed message
// has the bit in Rsv, and its chunks are those of Receiver.Append. A compressed message is sent
// by AppendFragment with RSV1 in the header of its first frame. Text is to be checked once it
// is inflated.
//
// # What is sent
//
// A message goes out compressed only if that makes it smaller, and only from a length on that
// pays: see SenderConfig. What goes out plain has not entered the window. At level 1 messages
// of up to 32 KiB are compressed by an encoder made for small messages, with prepared codes,
// which takes a tenth of the time of a general one at 128 bytes and less than half at 4 KiB;
// larger ones, and those of the other levels, by github.com/klauspost/compress. With a window
// of less than 15 bits that has one level alone, which finds more and is slower: a message of
// 64 KiB takes about twice the time that it takes with 15 bits, or half as long again with
// takeover. BenchmarkAppend in internal/deflate measures all of this.
//
// # Memory
//
// These are the most bytes that a connection holds between messages, in each direction; a test
// measures them. What a message takes while it is open is pooled. A received message that waits
// for its next chunk takes 4 KiB more, and 12 within a block with a code of its own. Without
// takeover, Append and Read hold up to 40 KiB of history besides; Extend holds none. A Reader
// has a buffer of 1 to 16 KiB, by what arrives at once. A message that is sent in parts takes up
// to 80 KiB.
//
//	                      sends     receives
//	no context takeover       0            0
//	takeover,  8 bits    10 KiB     0.25 KiB
//	takeover, 10 bits    11 KiB        1 KiB
//	takeover, 12 bits    15 KiB        4 KiB
//	takeover, 15 bits    57 KiB       32 KiB
//
// A Sender holds at most 32 bytes of its window for each compressed byte that it has made: the
// echo of 32 KiB of zeros, which a peer sends in 50 bytes, costs 17 KiB and not 41. A Receiver
// has to hold what its peer may refer to. A server bounds that by ClientMaxWindowBits.
//
// DefaultParameters, no takeover at all, is what a server with 100,000 connections can leave
// on. SmallWindow spends up to 15 KiB for each of them, and the smaller messages are, the more
// it gains. In a feed of trades and quotes in JSON, messages of 128 bytes come to 0.32 of their
// length in place of 0.87, those of 512 bytes to 0.29 in place of 0.46, and those of 4 KiB to
// 0.23 in place of 0.26: TestDocumentedRatios in internal/deflate makes that feed and holds
// these figures.
//
// # Limits
//
// A message of 1 MiB may inflate to 1 GiB. So each call that inflates has a limit, which counts
// inflated bytes: an argument of Receiver.Append and Extend, Reader.SetLimit, Helper.MaxMessage, and
// DefaultMaxMessage where nothing is said. A message of exactly the limit passes; one byte more
// is ErrTooLarge, close code 1009, as soon as it is due. What cannot be inflated is ErrCorrupt,
// close code 1007, and a reserved bit in the wrong place ErrUnexpectedCompressionBit, 1002. All
// three are *ws.ProtocolError values in the chain of the error.
//
// # Secrets
//
// Who can put words of his own next to a secret in the same context, and see lengths, can guess
// the secret. Send messages that hold one plain, or by a connection without compression.
package wsflate
