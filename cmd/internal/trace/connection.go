package trace

import (
	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// connection decodes both directions of a connection.
type connection struct{ client, server *stream }

// newConnection returns a connection with its two streams. Until a handshake is
// seen, compression may have been negotiated.
func newConnection(o options, emit func(frame)) *connection {
	c := &connection{o.stream(fromClient, emit), o.stream(fromServer, emit)}
	c.server.gotHead = c.agreed
	return c
}

// agreed reads from the server's response whether compression was negotiated.
func (c *connection) agreed(head []byte) {
	var answer httphead.Response
	if _, err := answer.Parse(head); err == nil {
		c.agree(answer.Fields)
	}
}

// side returns one of the two streams.
func (c *connection) side(from direction) *stream {
	if from == fromClient {
		return c.client
	}
	return c.server
}

// agree reads it from the fields of the response.
func (c *connection) agree(fields httphead.Fields) {
	var rsv ws.State
	var p wsflate.Parameters
	for option := range fields.Options("Sec-WebSocket-Extensions") {
		if string(option.Name) == wsflate.ExtensionName && p.Parse(option) == nil {
			rsv = ws.StateRSV1
		}
	}
	for _, s := range []*stream{c.client, c.server} {
		s.rsv = rsv
		if s.inflate != nil {
			s.inflate.Reset(p, s.from.state())
		}
	}
}

// stream returns the decoder of one direction.
func (o options) stream(from direction, emit func(frame)) *stream {
	s := &stream{decoder: decoder{
		from: from, show: o.width, unmask: o.unmask, rsv: ws.StateRSV1, emit: emit,
	}}
	if o.inflate {
		// With the largest window and context takeover, it can decompress the
		// messages of every sender.
		s.inflate = wsflate.NewReceiver(wsflate.Parameters{}, from.state())
	}
	return s
}
