package wsutil

import (
	"encoding/binary"

	"github.com/wskit/wskit/internal/framing"
	"github.com/wskit/wskit/internal/utf8s"
	"github.com/wskit/wskit/ws"
)

// Protocol is one side of a WebSocket connection without the I/O: received bytes
// in, events out, and bytes to send. It knows the state of both directions, applies
// the rules of RFC 6455 to what arrives and refuses to send what may not be sent. It
// has no goroutine, clock, socket or lock, and no buffer while the connection
// waits between messages.
//
// The receiving half ([Protocol.Next], [Protocol.NextMessage], [Protocol.EOF],
// [Protocol.SetMaxMessage], [Protocol.SetMaxExtended]) and the sending half (the Append methods and
// [Protocol.SendHeader]) share nothing but the closing handshake, which is atomic:
// one goroutine may receive while another one sends. Calls of the same half
// are the caller's to serialise. [Protocol.Closing] may be called at any time.
//
// A Protocol is made by [NewProtocol], or is a field of another struct and made
// ready by [Protocol.Reset]. It must not be copied.
type Protocol struct {
	// The receiving half. flags == 0 says that the peer is between two messages and
	// that nothing is lent, which is all that the fast path asks.
	err         error   // with flagStopped: what Next returns for ever
	rest        int64   // bytes of the open frame's payload that are still to come
	size        int64   // payload bytes of the open message's frames so far
	maxMessage  int64   // math.MaxInt64 for no limit
	maxExtended int64   // that of messages with a reserved bit
	maxFrame    int64   // math.MaxInt64 for no limit
	control     *buffer // what the input cut of a control frame's payload, or nil
	message     *buffer // what NextMessage gathers, or nil
	fragments   int32   // frames of the open message so far
	maxFrags    int32   // 0 for no limit
	key         [4]byte // of the open frame
	head        [ws.MaxHeaderSize]byte
	headLen     uint8 // bytes in head; the input ended inside a header
	pos         uint8 // in key, of the open frame's next byte
	flags       flags
	state       ws.State        // the side, and the bits that extensions claim
	maskBit     byte            // of the frames that arrive: 0x80 or 0
	messagePart part            // first if message begins where the open message does
	controlOp   ws.OpCode       // of the open frame if that is a control frame, or 0
	op          ws.OpCode       // of the open message
	rsv         byte            // of the open message
	text        utf8s.Validator // of the open message; a text that ends leaves the zero value

	// The sending half.
	sendOp    ws.OpCode // of the message that is going out in fragments, or 0
	sendFirst bool      // one fragment of it is out so far

	closing closing // of both halves
}

// flags say where in the stream of frames the receiving half is.
type flags uint8

const (
	flagHead    flags = 1 << iota // head holds the beginning of a header
	flagFrame                     // a frame is open: its header is known, its end is not
	flagFinal                     // the open frame is the last one of its message
	flagMessage                   // a data message is open
	flagBegun                     // the open message's first chunk is out
	flagLent                      // the last event's payload lies in control or message
	flagStopped                   // err is set
)

// NewProtocol returns a Protocol at the beginning of a connection, behind the
// handshake. nil stands for a server with the default limits.
func NewProtocol(cfg *Config) *Protocol {
	c := new(Protocol)
	c.Reset(cfg)
	return c
}

// Reset makes c what [NewProtocol] returns, whatever it was before. It copies cfg.
func (c *Protocol) Reset(cfg *Config) {
	c.drop()
	*c = Protocol{
		maxFrame: cfg.maxFrame(),
		maxFrags: cfg.maxFragments(),
		state:    cfg.state(),
		maskBit:  framing.MaskBit,
	}
	if c.state.ClientSide() {
		c.maskBit = 0
	}
	c.SetMaxMessage(cfg.maxMessage())
}

// SetMaxMessage changes the largest size of a message, from the next frame on: n is
// in bytes, 0 allows empty messages alone, and a negative value all.
func (c *Protocol) SetMaxMessage(n int64) {
	c.maxMessage = limit(n)
	c.maxExtended = c.maxMessage
}

// SetMaxExtended is [Protocol.SetMaxMessage] for messages with a reserved bit alone: what
// an extension compresses may become a little longer on the wire. SetMaxMessage undoes it.
func (c *Protocol) SetMaxExtended(n int64) {
	c.maxExtended = limit(n)
}

// Next consumes n bytes at the start of p and returns the event that they complete. It
// unmasks p in place and does not retain it. The event's payload is a view into p,
// valid until p is changed; but that of a control frame which the inputs have cut lies
// in a buffer, lent until the next call to Next, NextMessage or EOF.
//
//	for {
//		ev, n, err := c.Next(p)
//		if err != nil {
//			break // io.ErrUnexpectedEOF: receive, and come again with what has come
//		}
//		p = p[n:]
//		// handle ev
//	}
//
// [io.ErrUnexpectedEOF] says that p completes no event. All of p was consumed then:
// nothing has to be kept or moved by the caller. An empty p gets it between two
// messages, too.
//
// With every other error there are no more events, and every later call returns the
// same error: a [ClosedError] after the event of the peer's close frame, a
// *[ws.ProtocolError] when the peer breaks a rule or a limit. For both, AppendClose
// with [CloseCode] of the error makes the close frame that is due, if one still is.
//
// Text is validated as it arrives: the chunk with the first impossible byte is not
// returned (RFC 6455, section 8.1). Messages with a reserved bit are not validated:
// who undoes the extension has to do it.
func (c *Protocol) Next(p []byte) (ev Event, n int, err error) {
	// The fast path: a message of up to 65,535 bytes in one frame that lies whole in
	// p, of no extension. All else, also what is wrong, goes to next.
	if c.flags != 0 || len(p) < ws.MinHeaderSize {
		return c.next(p)
	}
	op := ws.OpCode(p[0] ^ framing.FinBit)
	size, start := int(p[1]^c.maskBit), ws.MinHeaderSize
	if size > framing.ShortLength {
		if size != framing.MediumLength || len(p) < 4 || p[2] == 0 && p[3] <= framing.ShortLength {
			return c.next(p)
		}
		size, start = int(binary.BigEndian.Uint16(p[2:])), 4
	}
	key := start
	start += int(c.maskBit >> 5) // four bytes of key, if any
	if op != ws.OpText && op != ws.OpBinary || size > len(p)-start ||
		int64(size) > c.maxMessage || int64(size) > c.maxFrame {
		return c.next(p)
	}
	ev = Event{Payload: p[start : start+size : start+size], OpCode: op, part: whole}
	if !unmaskWhole(op, ev.Payload, p[key:start]) {
		return c.fail(ErrInvalidUTF8)
	}
	return ev, start + size, nil
}

// unmaskWhole unmasks the payload of a message of one frame with key, which is empty
// if it is not masked, and reports whether it is what its opcode says.
func unmaskWhole(op ws.OpCode, payload, key []byte) bool {
	switch {
	case len(key) == 0:
		return op == ws.OpBinary || utf8s.Valid(payload)
	case op == ws.OpBinary:
		ws.Cipher(payload, [4]byte(key), 0)
		return true
	}
	var text utf8s.Validator
	return text.Unmask(payload, [4]byte(key), 0) && text.Done()
}
