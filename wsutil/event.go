package wsutil

import "github.com/wskit/wskit/ws"

// Event is what [Protocol.Next] has found in the input: a control frame, or a chunk
// of a data message.
//
// The chunks of a message come in order, between them the control frames that the
// peer has put between its fragments. How a message is cut into chunks means
// nothing: it depends on the peer's fragments and on the cuts of the input. A
// chunk may be empty.
type Event struct {
	// Four fields of no more than four words travel in registers.

	// Payload is unmasked. It is a view into the input, or into a buffer that is
	// lent until the next call to Next, NextMessage or EOF.
	Payload []byte

	// OpCode is ws.OpText or ws.OpBinary on every chunk of such a message, and
	// ws.OpPing, ws.OpPong or ws.OpClose for a control frame.
	OpCode ws.OpCode

	// Rsv has the reserved bits that the frames of the message have carried so far,
	// as [ws.Rsv] packs them: a compressed message has RSV1 on every chunk, though
	// on the wire only its first frame has it. A bit that [Config].State does
	// not claim is never set, nor is any for a control frame.
	Rsv byte

	part part
}

// part says which end of a message a chunk is.
type part uint8

const (
	first part = 1 << iota
	last
	whole = first | last
)

// First reports whether the chunk begins a message. A control frame does.
func (ev Event) First() bool { return ev.part&first != 0 }

// Last reports whether the chunk ends a message. A control frame does.
func (ev Event) Last() bool { return ev.part&last != 0 }
