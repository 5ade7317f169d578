package wsutil

import (
	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
)

// repliesMost bounds the bytes of the frames that wait in a Replies, with two
// bytes for each.
const repliesMost = 512

// Replies holds pongs and a keepalive ping that cannot be sent yet, because
// something else is being sent. It is bounded: older pongs give way to newer ones,
// since a pong may answer only the most recent ping (RFC 6455, section 5.5.3). A
// ping gives way only to other pings. The zero value is empty and holds no memory. A
// Replies is not for concurrent use: the driver guards it with the lock under which
// it finds out that something else is being sent.
type Replies struct {
	b *bufpool.Buffer // opcode, length and payload of each frame
}

// Empty reports whether nothing waits.
func (r *Replies) Empty() bool { return r.b == nil }

// Add adds a frame: op is ws.OpPong, or ws.OpPing for the keepalive. p has at most
// 125 bytes. It does not retain p.
func (r *Replies) Add(op ws.OpCode, p []byte) {
	if r.b == nil {
		r.b = bufpool.Get(repliesMost)
	}
	b := r.b.B
	for len(b)+2+len(p) > repliesMost {
		i := oldest(b)
		b = append(b[:i], b[i+2+int(b[i+1]):]...)
	}
	r.b.B = append(append(b, byte(op), byte(len(p))), p...)
}

// oldest returns where in b the frame begins that gives way first: the first pong,
// or the first frame if all are pings.
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

// All yields the frames in the order in which they wait, and empties r. A payload
// is valid until the next one is asked for.
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
