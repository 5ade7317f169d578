package serve

import (
	"cmp"
	"errors"
	"sync"

	"github.com/wskit/wskit/websocket"
)

const (
	// defaultBacklog is the default of --max-backlog.
	defaultBacklog = 1 << 20

	// messageCost limits the number of queued messages: one for this many bytes
	// of the backlog.
	messageCost = 256

	// maxSaid is the maximum size of a message of /chat: in JSON a byte may
	// take six.
	maxSaid = 6*maxChatText + 1<<10
)

// queue returns the bounds of a member's queue. A message that is being written
// counts, and one more may be queued: a member that answers each message may do
// so before the write to it has returned.
func (o *options) queue() websocket.SendQueueOptions {
	most := cmp.Or(o.maxBacklog, defaultBacklog)
	if most < 0 {
		return websocket.SendQueueOptions{MaxBytes: -1, MaxMessages: -1}
	}
	return websocket.SendQueueOptions{MaxBytes: 2 * max(most, maxSaid), MaxMessages: max(most/messageCost, 2)}
}

// limit sets the read limit of a member so that its messages fit into all
// queues. longest is the maximum.
func (o *options) limit(conn *websocket.Conn, longest int64) {
	if most := o.within(longest); most != o.maxMessage {
		conn.SetReadLimit(most)
	}
}

// within returns the smaller of longest and --max-message. A negative value means
// no limit.
func (o *options) within(longest int64) int64 {
	if longest >= 0 && (o.maxMessage < 0 || o.maxMessage > longest) {
		return longest
	}
	return o.maxMessage
}

// tooSlow reports whether a connection was closed because its queue was full.
func tooSlow(r websocket.CloseRecord) bool {
	return r.Sent == websocket.StatusTryAgainLater || errors.Is(r.Err, websocket.ErrSendQueueFull)
}

// send sends a message to all members of a room.
func send(room *websocket.Group, typ websocket.MessageType, p []byte) error {
	m, err := websocket.NewPreparedMessage(typ, p)
	if err == nil {
		room.Broadcast(m)
	}
	return err
}

// rooms are the chat rooms by name. A room exists while it has members.
type rooms struct {
	mu    sync.Mutex
	named map[string]*room
}

type room struct {
	websocket.Group
	users int
}

// enter returns the room with this name, and a function to call when leaving
// it.
func (rs *rooms) enter(name string) (*room, func()) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.named == nil {
		rs.named = make(map[string]*room)
	}
	r, ok := rs.named[name]
	if !ok {
		r = new(room)
		rs.named[name] = r
	}
	r.users++
	return r, func() {
		rs.mu.Lock()
		defer rs.mu.Unlock()
		if r.users--; r.users == 0 {
			delete(rs.named, name)
		}
	}
}
