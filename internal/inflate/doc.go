// Package inflate decodes the DEFLATE data of WebSocket messages (RFC 1951,
// RFC 7692).
//
// A [Decoder] belongs to one direction of a connection. With takeover, it holds
// between messages the history that the next message may refer to. Without
// takeover, it holds nothing. The state of decoding, with its tables, is a
// stream, which comes from a pool when a message begins and returns to it at
// the end. While a message waits for its next chunk, it takes 3 KiB, or 10 KiB
// inside a block with a code of its own. A message in pieces without takeover
// also has a history of up to 40 KiB, except with Extend, where the caller
// keeps the output.
//
// Output is written directly into the caller's bytes. A match copies from the
// output of the same call, and beyond that from the history, to which each call
// adds the end of its output. The cost of a message therefore depends on its
// own size, not on the size of the window.
//
// There are two loops over the symbols of a block: a fast one while there are
// eight bytes of input and some room for output, and one that checks the bits of
// each symbol near the end of the input. What neither of them decodes is decoded
// symbol by symbol. All use the same tables.
package inflate
