package wsutil

import (
	"github.com/wskit/wskit/internal/utf8s"
	"github.com/wskit/wskit/ws"
)

// incoming is the state of the data message that is arriving. [Protocol] and
// [Reader] share it. The zero value is the state before the first message.
type incoming struct {
	size      int64 // payload bytes on the wire, by the headers so far
	fragments int32
	op        ws.OpCode
	rsv       byte            // the bits that the frames have carried so far
	text      utf8s.Validator // of a text message
}

// limits are the limits of an incoming message.
type limits struct {
	message, frame int64
	fragments      int32
}

// openFrame takes the header of the next data frame; first reports whether it
// begins a message. It refuses a frame that exceeds a limit (RFC 6455, section
// 10.4). The sum of lengths cannot overflow.
func (m *incoming) openFrame(h *ws.Header, first bool, lim *limits) error {
	if first {
		*m = incoming{op: h.OpCode}
	}
	switch {
	case h.Length > lim.frame:
		return ErrFrameTooLarge
	case h.Length > lim.message-m.size:
		return ErrMessageTooLarge
	case m.fragments >= lim.fragments:
		return ErrTooManyFragments
	}
	m.size += h.Length
	m.fragments++
	return nil
}

// checksText reports whether the payload of the message is text on the wire. An
// extension that sets a reserved bit may have changed it.
func (m *incoming) checksText() bool { return m.op == ws.OpText && m.rsv == 0 }
