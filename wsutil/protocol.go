package wsutil

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/internal/framing"
	"github.com/wskit/wskit/internal/utf8s"
	"github.com/wskit/wskit/ws"
)

// Protocol is one side of a WebSocket connection without I/O: received bytes in,
// decoded messages out, and bytes to send. It applies RFC 6455 and, with an
// [Inflater] and a [Deflater], RFC 7692. It has no goroutine, clock, socket or
// lock, and no buffer while the connection waits between messages.
//
// Its methods fall into three parts:
//
//   - receiving: [Protocol.Next], [Protocol.NextMessage], [Protocol.NextChunk],
//     [Protocol.Gather], [Protocol.Room], [Protocol.Direct], [Protocol.Discard],
//     [Protocol.InMessage], [Protocol.InFrame], [Protocol.WireSize] and
//     [Protocol.EOF];
//   - sending: the Append methods, [Protocol.Undo] and [Protocol.Release];
//   - time: [Protocol.Waits], [Protocol.Heard], [Protocol.PingSent],
//     [Protocol.CloseBy], [Protocol.Deadline] and [Protocol.Tick].
//
// The caller serializes the calls of one part. Calls of different parts may run
// at the same time: one goroutine may receive while another one sends. All other
// methods but Reset may be called by any goroutine at any time.
//
// A Protocol is made by [NewProtocol], or is a field of another struct and made
// ready by [Protocol.Reset]. It must not be copied.
type Protocol struct {
	// The receiving half. flags == 0 says that the peer is between two messages
	// and that nothing is lent; the fast path asks for nothing else.
	rest      int64           // bytes of the open frame's payload still to come
	in        incoming        // the open message
	most      int64           // the limit of the open message
	limit     atomic.Int64    // the limit of the next message
	lent      *bufpool.Buffer // a cut control frame, or an inflated chunk
	message   *bufpool.Buffer // what NextMessage gathers, or nil
	set       *settings       // never changed, but for its state of compression
	time      *times          // nil until something has to be timed
	ended     atomic.Pointer[ending]
	closing   closing // of both halves
	key       [4]byte // of the open frame
	head      [ws.MaxHeaderSize - 1]byte
	headLen   uint8     // bytes in head; the input ended inside a header
	pos       uint8     // in key, of the open frame's next byte
	state     ws.State  // the side, and the bits that extensions claim
	maskBit   byte      // of the frames that arrive: 0x80 or 0
	part      part      // partFirst if message begins where the open message does
	controlOp ws.OpCode // of the open frame if that is a control frame, or 0
	flags     flags

	// The sending half.
	sendOp ws.OpCode // of the message that is being sent in fragments, or 0
	undo   undo      // what Undo takes back
}

// flags say where in the stream of frames the receiving half is.
type flags uint16

const (
	flagHead    flags = 1 << iota // head holds the beginning of a header
	flagFrame                     // a frame is open: its header is known, its end is not
	flagFinal                     // the open frame is the last one of its message
	flagMessage                   // a data message is open
	flagBegun                     // the open message's first chunk is out
	flagPacked                    // the open message is compressed
	flagLent                      // the last event's payload lies in lent or message
	flagStopped                   // the receiving half has ended
	flagDiscard                   // messages are dropped
)

// NewProtocol returns a Protocol at the beginning of a connection, after the
// handshake. A nil cfg means a server with the default limits.
func NewProtocol(cfg *Config) *Protocol {
	c := new(Protocol)
	c.Reset(cfg)
	return c
}

// Reset makes c what [NewProtocol] returns, whatever it was before. It copies
// cfg.
func (c *Protocol) Reset(cfg *Config) {
	c.drop()
	*c = Protocol{
		set:     cfg.settings(),
		state:   cfg.state(),
		maskBit: framing.MaskBit,
	}
	if c.state.ClientSide() {
		c.maskBit = 0
	}
	c.limit.Store(cfg.maxMessage())
	if c.Timed() {
		c.time = &times{heard: cfg.Now}
	}
}

// SetMaxMessage changes the maximum size of a message, from the next message on:
// each message has the limit of the time when its first frame arrived. n is in
// bytes, after decompression. 0 means [DefaultMaxMessage], a negative value no
// limit.
func (c *Protocol) SetMaxMessage(n int64) { c.limit.Store(noLimit(n, DefaultMaxMessage)) }

// Next consumes n bytes at the start of p and returns the event that they
// complete. It unmasks p in place and does not retain it. The event's payload is
// a view into p, valid until p is changed. The payload of a compressed message,
// and of a control frame that the inputs have cut, lies in a buffer instead, lent
// until the next call of the receiving half.
//
//	for {
//		ev, n, err := c.Next(p)
//		if err != nil {
//			break // io.ErrUnexpectedEOF: receive more, and call again with that
//		}
//		p = p[n:]
//		// handle ev
//	}
//
// [io.ErrUnexpectedEOF] says that p completes no event. All of p is consumed
// then, and the caller has to keep or move nothing. An empty p gets it too,
// unless more of a compressed message can be decoded.
//
// After every other error there are no more events, and every later call returns
// the same error: a [ClosedError] after the event of the peer's close frame, or a
// *[ws.ProtocolError] if the peer breaks a rule or a limit. For both,
// [Protocol.AppendCloseFor] makes the close frame that is due, if one still is.
//
// Text is validated as it arrives, after decompression: the chunk with the first
// impossible byte is not returned (RFC 6455, section 8.1). Messages with a
// reserved bit of another extension are not validated.
func (c *Protocol) Next(p []byte) (ev Event, n int, err error) {
	// The fast path: a message of up to 65,535 bytes in one frame that lies whole
	// in p, of no extension. Everything else, including faults, goes to step.
	if c.flags != 0 || len(p) < ws.MinHeaderSize {
		return c.step(p, nil, view)
	}
	op := ws.OpCode(p[0] ^ framing.FinBit)
	size, start := int(p[1]^c.maskBit), ws.MinHeaderSize
	if size > framing.ShortLength {
		if size != framing.MediumLength || len(p) < 4 || p[2] == 0 && p[3] <= framing.ShortLength {
			return c.step(p, nil, view)
		}
		size, start = int(binary.BigEndian.Uint16(p[2:])), 4
	}
	key := start
	start += int(c.maskBit >> 5) // four bytes of key, if any
	if op != ws.OpText && op != ws.OpBinary || size > len(p)-start ||
		int64(size) > c.limit.Load() || int64(size) > c.set.maxFrame {
		return c.step(p, nil, view)
	}
	ev = Event{Payload: p[start : start+size : start+size], OpCode: op, part: whole}
	if !unmaskWhole(op, ev.Payload, p[key:start]) {
		return c.fail(ErrInvalidUTF8)
	}
	return ev, start + size, nil
}

// unmaskWhole unmasks the payload of a message of one frame with key, which is
// empty if it is not masked, and reports whether it is what its opcode says.
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
