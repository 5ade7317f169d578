package wsutil

import "github.com/wskit/wskit/ws"

// Event is the result of [Protocol.Next]: a control frame, or a chunk of a data
// message.
//
// The chunks of a message come in order. Control frames that the peer sent
// between fragments come between them. How a message is cut into chunks has no
// meaning: it depends on the peer's fragments, on compression and on the cuts
// of the input. A chunk may be empty.
type Event struct {
	// Event has four fields of four words in total, so that it is passed in
	// registers.

	// Payload is unmasked and decompressed. The function that returns the event
	// documents where it lies and for how long it is valid.
	Payload []byte

	// OpCode is ws.OpText or ws.OpBinary for every chunk of a data message, and
	// ws.OpPing, ws.OpPong or ws.OpClose for a control frame.
	OpCode ws.OpCode

	// Rsv holds the reserved bits of the frames of the message so far, packed
	// as by [ws.Rsv]. It omits the bit that marks a compressed message if the
	// Protocol has decompressed it. Only bits that [Config].State claims can be
	// set. It is 0 for a control frame.
	Rsv byte

	part part
}

// part says whether a chunk begins or ends its message.
type part uint8

const (
	partFirst part = 1 << iota
	partLast
	partPacked // the message was compressed
	whole      = partFirst | partLast
)

// First reports whether the chunk begins a message. It is true for a control
// frame.
func (ev Event) First() bool { return ev.part&partFirst != 0 }

// Last reports whether the chunk ends a message. It is true for a control
// frame.
func (ev Event) Last() bool { return ev.part&partLast != 0 }

// Whole reports whether the event is a complete data message.
func (ev Event) Whole() bool {
	return ev.part == whole && !ev.OpCode.IsControl()
}

// Compressed reports whether the message was compressed with permessage-deflate
// and decompressed by the Protocol's [Inflater].
func (ev Event) Compressed() bool { return ev.part&partPacked != 0 }
