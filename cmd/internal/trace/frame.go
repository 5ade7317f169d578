package trace

import (
	"time"

	"github.com/wskit/wskit/ws"
)

// frame is the decoded form of a frame or a handshake.
type frame struct {
	time   time.Time // zero without a capture
	stream int       // number of the TCP stream in a capture, 0 in other input
	http2  uint32    // number of the HTTP/2 stream in it, 0 for HTTP/1.1
	offset int64     // of its first byte in the stream of its direction
	from   direction
	header ws.Header

	payload  []byte // the shown part, unmasked or decompressed depending on flags
	cut      bool   // payload is not complete
	inflated int64  // decompressed size, or -1
	message  ws.OpCode

	fault     error  // the fault of the frame
	lost      bool   // not a frame: payload holds the bytes
	handshake string // the first line of a handshake, which has no header
	peers     string // not a frame: a connection of these two begins
	end       error  // why decoding ends here
}

// direction is the sender of bytes.
type direction byte

const (
	unknown    direction = '?'
	fromClient direction = '>'
	fromServer direction = '<'
)

// state returns the state of the side that receives what d has sent.
func (d direction) state() ws.State {
	switch d {
	case fromClient:
		return ws.StateServerSide
	case fromServer:
		return ws.StateClientSide
	}
	return 0
}

// name returns the name for JSON.
func (d direction) name() string {
	switch d {
	case fromClient:
		return "client"
	case fromServer:
		return "server"
	}
	return "unknown"
}
