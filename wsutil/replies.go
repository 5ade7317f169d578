package wsutil

import (
	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
)

// maxReplies is the size limit of the frames in a Replies, in bytes, including
// two bytes for each frame.
const maxReplies = 512

// Replies holds pongs and a keepalive ping that cannot be sent yet, because
// something else is being sent. Its size is bounded: a new frame replaces the
// oldest pongs, since a pong need only answer the most recent ping (RFC 6455,
// section 5.5.3). Only a ping replaces a ping. The zero value is empty and
// holds no memory. A Replies is not safe for concurrent use: the driver guards
// it with the lock under which it checks whether something else is being sent.
type Replies struct {
	b *bufpool.Buffer // opcode, length and payload of each frame
}

// Empty reports whether r holds no frame.
func (r *Replies) Empty() bool { return r.b == nil }

// Add adds a frame. op is ws.OpPong, or ws.OpPing for the keepalive. p has at
// most 125 bytes. Add does not retain p.
func (r *Replies) Add(op ws.OpCode, p []byte) {
	if r.b == nil {
		r.b = bufpool.Get(maxReplies)
	}
	b := r.b.B
	for len(b)+2+len(p) > maxReplies {
		i := oldest(b)
		b = append(b[:i], b[i+2+int(b[i+1]):]...)
	}
	r.b.B = append(append(b, byte(op), byte(len(p))), p...)
}

// oldest returns the position in b of the frame to replace first: the first
// pong, or the first frame if all are pings.
func oldest(b []byte) int {
	for i := 0; i < len(b); i += 2 + int(b[i+1]) {
		if ws.OpCode(b[i]) != ws.OpPing {
			return i
		}
	}
	return 0
}

// Take moves all frames to a new Replies and leaves r empty.
func (r *Replies) Take() Replies {
	taken := *r
	*r = Replies{}
	return taken
}

// All yields the frames in the order in which they were added, and empties r. A
// payload is valid until the next iteration.
func (r *Replies) All(yield func(op ws.OpCode, p []byte) bool) {
	if r.b == nil {
		return
	}
	for rest := r.b.B; len(rest) > 0; {
		end := 2 + int(rest[1])
		if !yield(ws.OpCode(rest[0]), rest[2:end]) {
			break
		}
		rest = rest[end:]
	}
	r.b = free(r.b)
}
