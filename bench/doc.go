// Package bench compares wskit with other WebSocket libraries for Go: the same
// work on the same inputs in one run.
//
// Inputs are data (inputs.go). Each library has an adapter of the same form, a
// [Library], which uses the cheapest calls of its public API. Work that an API
// does not offer is omitted. Except for two rows of handshakes, no row uses a
// socket: a [Conn] replays bytes from memory and counts the calls of Read and
// Write. The cost of replaying is a
// part of each row, and is equal for all libraries.
//
// Masking and UTF-8 validation have their own rows on bytes. gorilla, coder and
// gws do not export their masking functions, so masking is only a part of their
// rows for messages. UTF-8 validation is also compared with the standard
// library and segmentio/asm.
//
// The rows of [Limit] are not a library. They measure the part of the work that
// no library can omit: a copy of the bytes, the hash of a handshake, or
// unmasking for text that is unmasked and validated.
//
// Run "go run ./report -count 6" for a table with medians and ratios.
//
// Other commands measure with real sockets: "go run ./echo" the rate of echo
// servers over the loopback interface, and "go run ./idle" the memory of an
// idle connection. "go run ./loops" compares event loops and goroutines with
// thousands of connections, by CPU time for each message.
package bench
