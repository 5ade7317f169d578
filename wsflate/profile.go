package wsflate

import (
	"math/bits"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/internal/deflate"
	"github.com/wskit/wskit/ws"
)

// Profile holds the parameters for compressing a message once for many
// connections. The compressed message does not refer to earlier messages, and
// its window is not larger than that of any peer. Equal Profiles produce the
// same bytes. A Profile is a key for wsutil.PreparedMessage, and its method
// Frame makes the frame:
//
//	profile := sender.Profile(len(m.Payload()))
//	frame, err := m.Encode(profile, profile.Frame)
//
// If the frame has RSV1, call [Sender.SentPrepared] when sending it.
type Profile uint8 // window bits in the lower half, level in the upper; one byte, so that an interface holds it without an allocation

func (f Profile) bits() int  { return int(f & 0xf) }
func (f Profile) level() int { return int(f >> 4) }

// Profile returns the Profile of a message of n bytes for the peer of s. At
// level 1, all windows larger than the message give the same Profile.
func (s *Sender) Profile(n int) Profile {
	window := int(s.bits)
	if s.level == 1 {
		window = min(window, max(bits.Len(uint(max(n, 1)-1)), deflate.MinBits))
	}
	return Profile(window) | Profile(s.level)<<4
}

// PreparedProfile is [Sender.Profile] with the result type that wsutil.Deflater
// requires.
func (s *Sender) PreparedProfile(n int) interface {
	Frame(op ws.OpCode, p []byte) ([]byte, error)
} {
	return s.Profile(n)
}

// Append appends the compressed payload of the message p to dst, or returns dst
// unchanged and false if the result would not be smaller than p. It does not
// retain p. Append may use the capacity of dst beyond the result as scratch
// space; p must not overlap it.
func (f Profile) Append(dst, p []byte) ([]byte, bool) {
	var enc deflate.Encoder
	enc.Reset(f.bits(), false, f.level())
	return enc.Try(dst, p)
}

// Frame returns the frame in which a server sends the message p. The frame is
// compressed and has RSV1, unless it is a control frame or p would not become
// smaller. The caller owns the frame, which does not refer to p. The error is
// always nil.
func (f Profile) Frame(op ws.OpCode, p []byte) ([]byte, error) {
	h := ws.Header{Fin: true, OpCode: op}
	payload := p
	if first(op) {
		room := bufpool.Get(deflate.Room(len(p)))
		defer room.Free()
		if out, ok := f.Append(room.B, p); ok {
			payload, h.Rsv = out, rsv1
			room.Adopt(out)
		}
	}
	h.Length = int64(len(payload))
	frame := make([]byte, 0, ws.HeaderSize(h)+len(payload))
	return append(ws.AppendHeader(frame, h), payload...), nil
}
