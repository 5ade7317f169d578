// Package trace implements wskit trace, which decodes captured bytes and prints
// a line for each frame as soon as the frame is complete.
//
// input.go detects the format of the input and reads it: hex.go reads digits
// and pcap.go captures, from which capture.go selects connections. stream.go
// removes the opening handshake from the bytes of a direction, decoder.go cuts
// the rest into frames, and print.go prints them.
package trace
