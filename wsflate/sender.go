package wsflate

import (
	"io"

	"github.com/wskit/wskit/internal/deflate"
	"github.com/wskit/wskit/ws"
)

// Default thresholds. With context takeover, compression is worthwhile for all
// but the shortest messages.
const (
	defaultThreshold        = 64
	defaultThresholdContext = 24
)

// SenderConfig configures a Sender. The zero value and nil mean the defaults.
type SenderConfig struct {
	// Level is 1 to 9, from fast to small. 0 means 1, which is optimized for
	// messages of up to 32 KiB. The other levels cost several times as much.
	Level int

	// Threshold is the length in bytes below which a message is sent plain. 0
	// means a default that depends on the agreed parameters. A negative value
	// means no threshold.
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

// Sender compresses the messages that one side of a connection sends (RFC 7692,
// section 7.2.1). With context takeover, it holds the window that its peer
// holds, and every message must pass through it in the order of sending.
// Without takeover, it holds nothing between messages. The package comment
// lists how much memory it holds.
//
// Create a Sender with NewSender, or call Reset on a zero Sender. A Sender must
// not be copied and is not safe for concurrent use.
type Sender struct {
	enc       deflate.Encoder
	threshold int
	bits      uint8
	level     uint8
	entered   bool // the last message has entered the window, and Undo can remove it
}

// NewSender returns a Sender for a connection with the agreed parameters p.
// side is the side that sends. A server that negotiates with an [Extension]
// must set its field Adaptive.
func NewSender(p Parameters, side ws.State, cfg *SenderConfig) *Sender {
	s := new(Sender)
	s.Reset(p, side, cfg)
	return s
}

// Reset makes s equivalent to the result of NewSender. It may be called at any
// time. It does not retain cfg.
func (s *Sender) Reset(p Parameters, side ws.State, cfg *SenderConfig) {
	d, level := p.sent(side), min(max(cfg.level(), 1), 9)
	s.enc.Reset(d.bits, d.takeover, level)
	s.threshold = cfg.threshold(d.takeover)
	s.bits, s.level, s.entered = uint8(d.bits), uint8(level), false
}

// AppendMessage appends the compressed payload of the message p to dst. The
// caller sends it in one frame with RSV1. compressed is false if p is shorter
// than the threshold or would not become smaller. In that case out has the
// content of dst, p does not enter the window, and the caller sends p itself
// without RSV1. AppendMessage does not retain p. It may use the capacity of dst
// beyond the result as scratch space in both cases; p must not overlap it. At
// level 1, messages of up to 32 KiB do not allocate if dst has room for
// len(p)+len(p)/8+16 bytes. out may have a larger capacity than dst in both
// cases: reuse it for the next message.
func (s *Sender) AppendMessage(dst, p []byte) (out []byte, compressed bool) {
	if s.entered = false; len(p) < s.threshold {
		return dst, false
	}
	out, s.entered = s.enc.Try(dst, p)
	return out, s.entered
}

// AppendPart compresses p, a part of a message, and appends the result to dst.
// The result is the payload of one frame. The caller sets RSV1 on the first
// frame of the message. last says whether the message ends with p. p may be
// empty. A message in parts is compressed regardless of its length. Between its
// parts, s holds the window even without takeover. AppendPart does not retain
// p. It may use the capacity of dst beyond the result as scratch space; p must
// not overlap it. Each part adds up to 5 bytes to the compressed message.
func (s *Sender) AppendPart(dst, p []byte, last bool) []byte {
	s.entered = false
	return s.enc.AppendPart(dst, p, last)
}

// endParts ends a message that AppendPart began, without output.
func (s *Sender) endParts() {
	var end [1]byte
	s.enc.AppendPart(end[:0], nil, true)
}

// SentPrepared adds p to the window, as the peer does when it receives p. Call
// it if p was compressed with a [Profile]. Do not call it for a message that is
// sent plain.
func (s *Sender) SentPrepared(p []byte) {
	s.entered = len(p) > 0
	s.enc.Add(p)
}

// Undo removes from the window the last message that was passed to
// AppendMessage or SentPrepared. The caller must not have sent any byte of it.
// Undo does nothing if that message was not compressed, or if there was none
// since the last Undo. Use Close for a message in parts.
func (s *Sender) Undo() {
	if s.entered {
		s.entered = false
		s.enc.Undo()
	}
}

// Size returns the number of bytes that s holds now, without its own struct.
func (s *Sender) Size() int { return s.enc.Size() }

// Writer returns a Writer that compresses messages through s. [Writer.Reset]
// begins the next message. Until [Writer.Close] ends a message, s must not be
// used directly.
func (s *Sender) Writer(dest io.Writer) *Writer {
	w := &Writer{sender: s}
	w.Reset(dest)
	return w
}

// Close releases all memory of s, even inside a message. s can still be used on
// the same connection: later messages do not refer to earlier ones. Call it for
// a message in parts that could not be sent.
func (s *Sender) Close() {
	s.entered = false
	s.enc.Release()
}
