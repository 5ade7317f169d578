package wsflate

import (
	"math/bits"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/internal/deflate"
	"github.com/wskit/wskit/ws"
)

// Form is a way to compress a message once for many connections: without reference to earlier
// messages, and with a window that their peers have. Forms that are equal make the same bytes.
// It is the key and the function that wsutil's PreparedMessage asks for:
//
//	form := sender.Form(len(m.Payload()))
//	frame, err := m.Form(form, form.Frame)
//
// If the frame has RSV1, tell the Sender with [Sender.Enter] that it was sent.
type Form uint8 // window bits in the lower half, level in the upper: one byte, so that an interface holds it without memory

func (f Form) bits() int  { return int(f & 0xf) }
func (f Form) level() int { return int(f >> 4) }

// Form returns the Form of a message of n bytes for the peer of s. At level 1, windows that are
// larger than the message make no difference.
func (s *Sender) Form(n int) Form {
	window := int(s.bits)
	if s.level == 1 {
		window = min(window, max(bits.Len(uint(max(n, 1)-1)), deflate.MinBits))
	}
	return Form(window) | Form(s.level)<<4
}

// PreparedForm is [Sender.Form] in the words of wsutil's Deflater.
func (s *Sender) PreparedForm(n int) interface {
	Frame(op ws.OpCode, p []byte) ([]byte, error)
} {
	return s.Form(n)
}

// Append appends the compressed payload of the message p to dst, or returns dst as it was
// and false if that would not be smaller than p. It does not retain p. Bytes behind the result
// may be written to, up to the capacity of dst: p must not lie there.
func (f Form) Append(dst, p []byte) ([]byte, bool) {
	var enc deflate.Encoder
	enc.Reset(f.bits(), false, f.level())
	return enc.Try(dst, p)
}

// Frame returns the frame in which a server sends the message p: compressed, with RSV1, or
// plain if p would not become smaller. A control frame is plain. The frame is the caller's, and
// does not refer to p. The error is always nil.
func (f Form) Frame(op ws.OpCode, p []byte) ([]byte, error) {
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
