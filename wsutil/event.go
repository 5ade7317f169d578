package wsutil

import "github.com/wskit/wskit/ws"

// Event is what [Protocol.Next] has found in the input: a control frame, or a
// chunk of a data message.
//
// The chunks of a message come in order, and between them the control frames
// that the peer has put between its fragments. How a message is cut into chunks
// means nothing: it depends on the peer's fragments, on compression and on the
// cuts of the input. A chunk may be empty.
type Event struct {
	// Four fields of no more than four words travel in registers.

	// Payload is unmasked and decompressed. The function that returns the event
	// says where it lies and for how long it is valid.
	Payload []byte

	// OpCode is ws.OpText or ws.OpBinary on every chunk of such a message, and
	// ws.OpPing, ws.OpPong or ws.OpClose for a control frame.
	OpCode ws.OpCode

	// Rsv has the reserved bits that the frames of the message have carried so
	// far, as [ws.Rsv] packs them, without the bit that marks a message which the
	// Protocol has decompressed itself. A bit that [Config].State does not claim
	// is never set, nor is any for a control frame.
	Rsv byte

	part part
}

// part says which end of a message a chunk is.
type part uint8

const (
	partFirst part = 1 << iota
	partLast
	partPacked // the message was compressed
	whole      = partFirst | partLast
)

// First reports whether the chunk begins a message. A control frame does.
func (ev Event) First() bool { return ev.part&partFirst != 0 }

// Last reports whether the chunk ends a message. A control frame does.
func (ev Event) Last() bool { return ev.part&partLast != 0 }

// Whole reports whether the event is a data message that is complete in it.
func (ev Event) Whole() bool {
	return ev.part == whole && !ev.OpCode.IsControl()
}

// Compressed reports whether the message was compressed by the extension of the
// Protocol's [Inflater].
func (ev Event) Compressed() bool { return ev.part&partPacked != 0 }
