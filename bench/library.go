package bench

import (
	"bufio"
	"io"
	"net/http"
	"time"

	"github.com/wskit/wskit/ws"
)

// Job does one piece of work n times. It contains the loop, so that a row of
// few nanoseconds does not include a call through a function value.
type Job func(n int) error

// Side is the side of a connection that a library plays.
type Side bool

// The two sides.
const (
	Server Side = false
	Client Side = true
)

// String returns the name of the side.
func (s Side) String() string {
	if s == Client {
		return "client"
	}
	return "server"
}

// Library is the adapter of a library. A nil field is work that the library's
// public API does not offer.
type Library struct {
	Name string

	// ParseHeader decodes the frame header at the start of p, and stores the
	// last one in got.
	ParseHeader func(p []byte, got *ws.Header) Job

	// AppendHeader encodes h, and stores the bytes in got.
	AppendHeader func(h ws.Header, got *[]byte) Job

	// ReadHeader reads frame headers, and stores the last one in got.
	ReadHeader func(br *bufio.Reader, got *ws.Header) Job

	// WriteHeader writes h.
	WriteHeader func(bw *bufio.Writer, h ws.Header) Job

	// Mask masks p in place.
	Mask func(p []byte, key [4]byte) Job

	// MaskCopy writes src, masked, to dst, which is as long.
	MaskCopy func(dst, src []byte, key [4]byte) Job

	// Valid validates text, and stores the result in got.
	Valid func(text []byte, got *bool) Job

	// ValidPieces is Valid for a text in pieces, cut anywhere.
	ValidPieces func(pieces [][]byte, got *bool) Job

	// UnmaskText unmasks p in place and validates the result.
	UnmaskText func(p []byte, key [4]byte, got *bool) Job

	// Upgrade answers the request in rw after each rewind, within timeout if
	// that is not 0.
	Upgrade func(rw io.ReadWriter, rewind func(), timeout time.Duration) Job

	// Accept returns a function that answers a request under net/http and
	// returns the connection. The answer is written within the timeout, or
	// without a deadline if it is 0. Accept returns nil if the library does not
	// offer that.
	Accept func(timeout time.Duration) func(w http.ResponseWriter, r *http.Request) (io.Closer, error)

	// Dial opens a connection over conn, which answers.
	Dial func(conn *Conn) Job

	// DialHTTP opens a connection with a client of net/http, whose transport
	// uses conn, and drops it.
	DialHTTP func(conn *Conn) Job

	// Read opens a connection over conn. Its job, which is run once, reads n
	// whole messages and calls every with each. It reads into buf if possible,
	// which has room for a message and some bytes more.
	Read func(conn *Conn, side Side, buf []byte, every func(p []byte)) (Job, error)

	// Write opens a connection over conn. Its job writes p as a message.
	Write func(conn *Conn, side Side, op ws.OpCode, p []byte) (Job, error)
}

// Libraries are all adapters. Some libraries have further adapters, with a
// suffix, for other ways to do the same. The last ones only validate UTF-8.
var Libraries = []Library{
	wskitLibrary, wskitHelpers, wskitInPlace, wskitProtocol, websocketLibrary, websocketInPlace,
	gobwasLibrary, gobwasHelpers,
	gorillaLibrary, coderLibrary, gwsLibrary,
	stdLibrary, segmentioLibrary,
}
