package wsflate

import (
	"io"

	"github.com/wskit/wskit/internal/deflate"
	"github.com/wskit/wskit/ws"
)

// What a SenderConfig stands for that does not say which messages are too short. A context
// is worth the try for all but the shortest.
const (
	defaultThreshold        = 64
	defaultThresholdContext = 24
)

// SenderConfig says how a Sender compresses. The zero value, and nil, are the defaults.
type SenderConfig struct {
	// Level is 1 to 9: from fast to small. 0 stands for 1, which is made for messages of
	// the size that the web sends; the others cost several times as much.
	Level int

	// Threshold is the length in bytes under which a message goes out plain. 0 stands for a default
	// that depends on what was agreed on; a negative value for none.
	Threshold int
}

func (c *SenderConfig) level() int {
	if c == nil {
		return 0
	}
	return c.Level
}

func (c *SenderConfig) threshold(takeover bool) int {
	switch {
	case c != nil && c.Threshold != 0:
		return c.Threshold
	case takeover:
		return defaultThresholdContext
	}
	return defaultThreshold
}

// Sender compresses the messages that one side of a connection sends (RFC 7692, section 7.2.1).
// With context takeover it holds the window that its peer holds, and every message has to go
// through it in the order in which they are sent; without, it holds nothing between messages.
// See the package comment for how much.
//
// A Sender is made by NewSender, or is a field of another struct and made ready by Reset. It must
// not be copied, and is not for concurrent use.
type Sender struct {
	enc       deflate.Encoder
	threshold int
	bits      uint8
	level     uint8
	entered   bool // the last message has entered the window; Undo takes it back
}

// NewSender returns a Sender for a connection that has agreed on p. side is the side
// on which we are. A server that negotiates by an [Extension] sets its field Adapts.
func NewSender(p Parameters, side ws.State, cfg *SenderConfig) *Sender {
	s := new(Sender)
	s.Reset(p, side, cfg)
	return s
}

// Reset makes s what NewSender returns, whatever it was before. It does not retain cfg.
func (s *Sender) Reset(p Parameters, side ws.State, cfg *SenderConfig) {
	d, level := p.sent(side), min(max(cfg.level(), 1), 9)
	s.enc.Reset(d.bits, d.takeover, level)
	s.threshold = cfg.threshold(d.takeover)
	s.bits, s.level, s.entered = uint8(d.bits), uint8(level), false
}

// AppendMessage appends the compressed payload of the message p to dst, to be sent in one frame
// with RSV1. If compressed is false it returns dst as it was, and p itself is to be sent,
// without RSV1: it is shorter than the threshold, or would not become smaller, and has not
// entered the window. It does not retain p. Bytes behind the result may be written to, up to the
// capacity of dst, whether p was compressed or not: p must not lie there. Messages of up to 32
// KiB at level 1 allocate nothing if dst has room for len(p)+len(p)/8+16 bytes. dst may come back
// with more room in either case: use it for the next message.
func (s *Sender) AppendMessage(dst, p []byte) (out []byte, compressed bool) {
	if s.entered = false; len(p) < s.threshold {
		return dst, false
	}
	out, s.entered = s.enc.Try(dst, p)
	return out, s.entered
}

// AppendPart appends the compressed form of a part of a message to dst: the payload of a frame.
// The first frame of the message has RSV1; last ends the message. A part may be empty. Such a
// message is compressed whatever its length; between its parts the window is held even without
// takeover. It does not retain p. Bytes behind the result may be written to, up to the capacity of
// dst: p must not lie there. Each part costs up to 5 bytes.
func (s *Sender) AppendPart(dst, p []byte, last bool) []byte {
	s.entered = false
	return s.enc.AppendPart(dst, p, last)
}

// endParts ends the message that AppendPart has begun, if any, whose last frame has no payload
// to be made.
func (s *Sender) endParts() {
	var end [1]byte
	s.enc.AppendPart(end[:0], nil, true)
}

// Enter says that the message p goes out in a form that was compressed elsewhere without
// reference to earlier messages, as [Form] makes it: the peer's window takes p in.
// A message that goes out plain is not entered.
func (s *Sender) Enter(p []byte) {
	s.entered = len(p) > 0
	s.enc.Enter(p)
}

// Undo takes back the last message: no byte of what AppendMessage has returned, or
// of what was given to Enter, was sent. Later messages do not refer to it. Undo
// does nothing if that message went out plain, or if there was none since the last
// Undo. Use Close for a message in parts.
func (s *Sender) Undo() {
	if s.entered {
		s.entered = false
		s.enc.Undo()
	}
}

// Size returns the bytes that s holds now, beyond its own struct.
func (s *Sender) Size() int { return s.enc.Size() }

// Writer returns a Writer that compresses one message after the other through s: [Writer.Reset]
// begins the next one. Until a message is ended by [Writer.Close], s is not to be used
// otherwise.
func (s *Sender) Writer(dest io.Writer) *Writer {
	w := &Writer{sender: s}
	w.Reset(dest)
	return w
}

// Close gives back all that s holds, also in the middle of a message. It is as new then: what
// follows, on the same connection, too, refers to nothing that was compressed before. So it
// is also the way out for a message in parts that could not be sent.
func (s *Sender) Close() {
	s.entered = false
	s.enc.Release()
}
