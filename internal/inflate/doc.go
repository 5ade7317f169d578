// Package inflate decodes the DEFLATE data of WebSocket messages (RFC 1951,
// RFC 7692).
//
// A [Decoder] belongs to one direction of a connection. Between messages it
// holds what the next message may refer back to, and nothing at all if the
// peer agreed to begin each message afresh. What decoding itself needs, the
// tables and the place in the format, is a stream: it is taken from a pool
// when a message opens and given back when it ends. While a message is open, that is
// 17 KiB, and at most 90: up to four codes of 13 KiB each, and the history of a
// message that comes in pieces without takeover.
//
// Output goes straight into the caller's bytes. A match refers back into what
// the same call has put there, and beyond that into the history, which takes in
// the end of the output once per call. So a message costs what its size is, not
// what the window's size is.
//
// There are two loops over the symbols of a block: one for the middle, where
// eight bytes of input and some room for output are at hand, and one symbol at
// a time for the ends. What the symbols mean stands in the tables, once.
package inflate
