// Package trace is wskit trace: it decodes captured bytes into one line for each frame.
//
// input.go and pcap.go find the bytes of each direction, stream.go takes the opening
// handshake off them, decoder.go cuts the rest into frames, and print.go shows those.
package trace
