package trace

import (
	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// connection is both directions of one connection.
type connection struct{ client, server *stream }

// newConnection makes the two streams. Until a handshake says otherwise compression
// may have been agreed on.
func newConnection(o options, emit func(frame)) *connection {
	c := &connection{o.stream(fromClient, emit), o.stream(fromServer, emit)}
	c.server.gotHead = c.agreed
	return c
}

// agreed takes from the server's answer whether there is compression.
func (c *connection) agreed(head []byte) {
	var answer httphead.Response
	if _, err := answer.Parse(head); err == nil {
		c.agree(answer.Fields)
	}
}

// side returns one of the two.
func (c *connection) side(from direction) *stream {
	if from == fromClient {
		return c.client
	}
	return c.server
}

// agree takes it from the fields of that answer.
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
		// With the largest window and takeover it understands every sender.
		s.inflate = wsflate.NewReceiver(wsflate.Parameters{}, from.state())
	}
	return s
}
