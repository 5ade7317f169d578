package trace

import (
	"time"

	"github.com/wskit/wskit/ws"
)

// frame is what was found out about one frame, or one handshake.
type frame struct {
	time   time.Time // zero if the capture knows none
	stream int       // number of the TCP stream in a capture, 0 in other input
	http2  uint32    // number of the stream of HTTP/2 in that, 0 for HTTP/1.1
	offset int64     // of its first byte in the stream of its direction
	from   direction
	header ws.Header

	payload  []byte // as much as is shown, unmasked or inflated if that was asked for
	cut      bool   // payload is not all of it
	inflated int64  // bytes of payload after inflation, -1 if it was not inflated
	message  ws.OpCode

	fault     error  // what is wrong with it
	lost      bool   // it is no frame: payload is the bytes that stand there
	handshake string // the first line of a handshake, which has no header
	peers     string // it is no frame: a connection of these two begins
	end       error  // why nothing is decoded from here on
}

// direction says who sent the bytes.
type direction byte

const (
	unknown    direction = '?'
	fromClient direction = '>'
	fromServer direction = '<'
)

// state is that of the side which receives what d sent.
func (d direction) state() ws.State {
	switch d {
	case fromClient:
		return ws.StateServerSide
	case fromServer:
		return ws.StateClientSide
	}
	return 0
}

// name is for JSON.
func (d direction) name() string {
	switch d {
	case fromClient:
		return "client"
	case fromServer:
		return "server"
	}
	return "unknown"
}
