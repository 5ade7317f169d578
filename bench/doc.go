// Package bench measures wskit beside other WebSocket libraries of Go: the same
// work, on the same inputs, in one run.
//
// Inputs are data (inputs.go). Each library stands behind one adapter of the
// same shape, a [Library], written with the cheapest calls that its public
// interface has for the work; what an interface does not offer is left out. No
// row uses a socket: a [Conn] replays bytes from memory and counts the calls of
// Read and Write. What it costs to replay is part of each row, alike for all.
//
// Masking and checking UTF-8 have rows of their own, on bytes. gorilla, coder and
// gws do not export what they mask with: for them it is a part of the rows that
// read and write messages, and not measured by itself. What text costs beyond
// binary is measured beside the standard library and segmentio/asm, which know no
// WebSocket.
//
// The rows of [Limit] are no library. They say what the part of the work costs
// that nobody can leave out: a copy of the bytes, the hash of a handshake, or
// unmasking where text is unmasked and checked.
//
// Run "go run ./report -count 6" for a table with medians and ratios.
//
// What only a real socket shows is measured by commands of their own: "go run ./echo" for
// the rate of echo servers over the loopback interface, and "go run ./idle" for what a
// connection holds that has nothing to do. "go run ./loops" measures servers with thousands of
// connections: event loops and goroutines, by CPU time for each message.
package bench
