package wsutil

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/internal/framing"
	"github.com/wskit/wskit/internal/utf8s"
	"github.com/wskit/wskit/ws"
)

// Protocol is one side of a WebSocket connection without I/O. It decodes
// received bytes into messages, and encodes messages into bytes to send. It
// implements RFC 6455 and, with an [Inflater] and a [Deflater], RFC 7692. It
// has no goroutine, clock, socket or lock. It holds no buffer while the
// connection waits between messages.
//
// Its methods fall into three parts:
//
//   - receiving: [Protocol.Next], [Protocol.NextMessage], [Protocol.NextChunk],
//     [Protocol.Gather], [Protocol.Room], [Protocol.Direct],
//     [Protocol.Discard], [Protocol.InMessage], [Protocol.InFrame],
//     [Protocol.WireSize] and [Protocol.EOF];
//   - sending: the Append methods, [Protocol.Undo] and [Protocol.Release];
//   - time: [Protocol.Waits], [Protocol.Heard], [Protocol.PingSent],
//     [Protocol.CloseBy], [Protocol.Deadline] and [Protocol.Tick].
//
// The caller serializes the calls of each part. Calls of different parts may be
// concurrent: for example, one goroutine receives while another one sends. All
// other methods, except Reset, are safe for concurrent use.
//
// [NewProtocol] returns a Protocol. A Protocol that is a field of another
// struct is initialized by [Protocol.Reset]. It must not be copied.
type Protocol struct {
	// The receiving half. If flags is 0, the peer is between two messages and
	// the caller has no lent buffer. The fast path checks only that.
	rest      int64           // bytes of the open frame's payload still to come
	in        incoming        // the open message
	openLimit int64           // the size limit of the open message
	limit     atomic.Int64    // the size limit of the next message
	lent      *bufpool.Buffer // a cut control frame, or an inflated chunk
	message   *bufpool.Buffer // the message that NextMessage gathers, or nil
	set       *settings       // constant, except for its compression state
	time      *times          // nil until a timeout is needed
	ended     atomic.Pointer[ending]
	closing   closing // shared by both halves
	key       [4]byte // of the open frame
	head      [ws.MaxHeaderSize - 1]byte
	headLen   uint8     // bytes in head, if the input ended inside a header
	pos       uint8     // position in key of the open frame's next byte
	state     ws.State  // the side, and the bits that extensions claim
	maskBit   byte      // of incoming frames: 0x80 or 0
	part      part      // partFirst if message begins where the open message does
	controlOp ws.OpCode // of the open control frame, or 0
	flags     flags

	// The sending half.
	sendOp ws.OpCode // of the fragmented message that is being sent, or 0
	undo   undo      // what Undo can undo
}

// flags are the state of the receiving half in the stream of frames.
type flags uint16

const (
	flagHead    flags = 1 << iota // head holds a part of a header
	flagFrame                     // a frame is open: its header has arrived, its end has not
	flagFinal                     // the open frame is the last one of its message
	flagMessage                   // a data message is open
	flagBegun                     // the first chunk of the open message was returned
	flagPacked                    // the open message is compressed
	flagLent                      // the last event's payload lies in lent or message
	flagStopped                   // the receiving half has ended
	flagDiscard                   // messages are dropped
)

// NewProtocol returns a Protocol for a connection whose handshake is complete.
// If cfg is nil, it is a server with the default limits.
func NewProtocol(cfg *Config) *Protocol {
	c := new(Protocol)
	c.Reset(cfg)
	return c
}

// Reset resets c to the state that [NewProtocol] returns. It copies cfg.
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

// SetMaxMessage changes the maximum size of a message in bytes, after
// decompression, from the next message on. The limit of a message is the one in
// effect when its first frame arrives. 0 means [DefaultMaxMessage], and a
// negative value means no limit.
func (c *Protocol) SetMaxMessage(n int64) { c.limit.Store(noLimit(n, DefaultMaxMessage)) }

// Next consumes n bytes at the start of p and returns the event that they
// complete. It unmasks p in place and does not retain it. The payload of the
// event is a view into p, valid until p is changed. The payload of a compressed
// message, or of a control frame that is split across inputs, lies in a buffer
// that is valid until the next call of the receiving half.
//
//	for {
//		ev, n, err := c.Next(p)
//		if err != nil {
//			break // io.ErrUnexpectedEOF: receive more bytes, and call Next with those
//		}
//		p = p[n:]
//		// handle ev
//	}
//
// Next returns [io.ErrUnexpectedEOF] if p completes no event. In that case it
// has consumed all of p, and the caller need not keep any of it. Next also
// returns that error for an empty p, unless more of a compressed message can be
// decoded.
//
// Any other error ends the receiving half, and later calls return the same
// error. It is a [ClosedError] after the event of the peer's close frame, or a
// *[ws.ProtocolError] if the peer breaks a rule or exceeds a limit. In both
// cases [Protocol.AppendCloseFor] appends the close frame to send, if one is
// still due.
//
// Text is validated as it arrives, after decompression. The chunk with the
// first invalid byte is not returned (RFC 6455, section 8.1). A message with a
// reserved bit of another extension is not validated.
func (c *Protocol) Next(p []byte) (ev Event, n int, err error) {
	// The fast path: an unfragmented message of up to 65,535 bytes that lies in
	// p and uses no extension. Everything else, including faults, goes to step.
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
	start += int(c.maskBit >> 5) // four bytes of key if masked
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

// unmaskWhole unmasks the payload of an unfragmented message with key, which is
// empty if the payload is not masked. It reports whether the payload is valid
// for its opcode.
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
