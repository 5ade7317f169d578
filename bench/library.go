package bench

import (
	"bufio"
	"io"
	"net/http"

	"github.com/wskit/wskit/ws"
)

// Job does one piece of work n times. It runs loops of its own, so that a row
// of few nanoseconds has no call through a function value in it.
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

// Library is a library behind its adapter. A field that is nil is work that the
// library's public interface does not offer by itself.
type Library struct {
	Name string

	// ParseHeader decodes the frame header at the start of p, and leaves the
	// last one in got.
	ParseHeader func(p []byte, got *ws.Header) Job

	// AppendHeader encodes h, and leaves the bytes in got.
	AppendHeader func(h ws.Header, got *[]byte) Job

	// ReadHeader reads frame headers, and leaves the last one in got.
	ReadHeader func(br *bufio.Reader, got *ws.Header) Job

	// WriteHeader writes h.
	WriteHeader func(bw *bufio.Writer, h ws.Header) Job

	// Mask masks p in place.
	Mask func(p []byte, key [4]byte) Job

	// MaskCopy writes src, masked, to dst, which is as long.
	MaskCopy func(dst, src []byte, key [4]byte) Job

	// Valid checks that text is UTF-8, and leaves what it found in got.
	Valid func(text []byte, got *bool) Job

	// ValidPieces is Valid for a text in pieces, cut anywhere.
	ValidPieces func(pieces [][]byte, got *bool) Job

	// UnmaskText unmasks p in place, and checks that it is UTF-8 then.
	UnmaskText func(p []byte, key [4]byte, got *bool) Job

	// Upgrade answers the request that rw yields after each rewind.
	Upgrade func(rw io.ReadWriter, rewind func()) Job

	// UpgradeHTTP answers r under net/http, on the connection of w.
	UpgradeHTTP func(w *ResponseWriter, r *http.Request) Job

	// Dial opens a connection over conn, which answers.
	Dial func(conn *Conn) Job

	// DialHTTP opens a connection with a client of net/http, whose transport gets
	// conn, and lets go of it.
	DialHTTP func(conn *Conn) Job

	// Read opens a connection over conn. Its job, which is run once, reads n
	// whole messages, where it can into buf, which has room for one and some
	// bytes more, and gives each to every.
	Read func(conn *Conn, side Side, buf []byte, every func(p []byte)) (Job, error)

	// Write opens a connection over conn. Its job writes p as a message.
	Write func(conn *Conn, side Side, op ws.OpCode, p []byte) (Job, error)
}

// Libraries are all that is measured. Some have a second adapter, with a suffix,
// for another way to do the same. The last ones know UTF-8 and no WebSocket.
var Libraries = []Library{
	wskitLibrary, wskitHelpers, wskitInPlace, wskitProtocol, websocketLibrary, websocketInPlace,
	gobwasLibrary, gobwasHelpers,
	gorillaLibrary, coderLibrary, gwsLibrary,
	stdLibrary, segmentioLibrary,
}
