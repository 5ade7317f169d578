// Package deflate compresses WebSocket messages (RFC 1951 in the way of RFC 7692).
//
// [Encoder] is made for many small messages. It finds repetitions greedily with a
// small table of positions and writes them with codes that are prepared: the fixed
// one of RFC 1951 and a few dynamic ones that fit JSON, markup and plain text. The
// exact size under each of them is known before the first bit is written, so
// the best one is chosen, and an incompressible message costs no writing. No code
// is constructed per message. Large messages, and levels above 1, are
// compressed by github.com/klauspost/compress/flate, behind the same interface.
//
// A map of the package: encoder.go decides who compresses a message and what enters
// the window; window.go keeps the window, scratch.go what a message takes in passing;
// match.go finds repetitions, and noise.go that nothing is to be found; weigh.go picks the
// code; emit.go writes the bits; code.go makes the tables to write with, from the code
// lengths in tables.go; large.go is the bridge to klauspost. The program in gen writes
// tables.go; package walk reads streams for it and the tests.
package deflate

//go:generate go run ./gen
