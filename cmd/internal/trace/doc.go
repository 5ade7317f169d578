// Package trace is wskit trace: it decodes captured bytes into one line for each frame,
// as soon as the frame is complete.
//
// input.go finds out what the input is and reads it: hex.go digits, pcap.go captures,
// whose connections capture.go picks. stream.go takes the opening handshake off the bytes
// of a direction, decoder.go cuts the rest into frames, and print.go shows those.
package trace
