// Package deflate compresses WebSocket messages (RFC 1951, as used by RFC
// 7692).
//
// [Encoder] is optimized for many small messages. It finds repetitions greedily
// with a small table of positions, and writes them with prepared codes: the
// fixed code of RFC 1951 and a few dynamic codes for JSON, markup and plain
// text. It computes the exact size with each code before it writes the first
// bit, so it chooses the best code and does not write an incompressible
// message. It does not construct codes. Large messages and levels above 1 use
// github.com/klauspost/compress/flate through the same interface.
//
// The files of the package: encoder.go chooses the engine for a message and
// updates the window; window.go holds the window, and scratch.go temporary
// memory of a message; match.go finds repetitions, and noise.go detects
// incompressible data; weigh.go chooses the code; emit.go writes the bits;
// code.go makes the tables for writing from the code lengths in tables.go;
// large.go adapts klauspost/compress. The program in gen writes tables.go.
// Package walk parses streams for it and for tests.
package deflate

//go:generate go run ./gen
