// Package inflate decodes the DEFLATE data of WebSocket messages (RFC 1951,
// RFC 7692).
//
// A [Decoder] belongs to one direction of a connection. Between messages it
// holds what the next message may refer back to, and nothing at all if the
// peer agreed to begin each message afresh. What decoding itself needs, the
// tables and the place in the format, is a stream: it is taken from a pool
// when a message opens and given back when it ends. While a message waits for its
// next chunk, that is 3 KiB, and 10 within a block with a code of its own. A message
// that comes in pieces through Append or Read without takeover also has a history
// of up to 40 KiB; Extend uses what the caller keeps instead.
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
