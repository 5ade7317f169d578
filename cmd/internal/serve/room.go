package serve

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	"github.com/wskit/wskit/websocket"
)

const (
	// defaultBacklog is how many bytes may wait for a member unless
	// --max-backlog says otherwise.
	defaultBacklog = 1 << 20

	// messageCost is what a waiting message counts in addition to its payload:
	// about what an empty one occupies.
	messageCost = 256
)

// room sends messages to its members. The zero value is an empty room.
type room struct {
	backlog int // bytes that may wait for a member; 0: defaultBacklog, negative: any number

	mu      sync.Mutex
	members map[*websocket.Conn]*queue
	users   int // of rooms
}

// queue holds what waits for one member. The lock of its room guards the fields.
type queue struct {
	wake     sync.Cond // when there is a message, or none will come any more
	messages []waiting
	bytes    int // the sum of the costs
	over     bool
	tooSlow  func()
}

type waiting struct {
	*websocket.PreparedMessage
	cost int
}

// join makes conn a member until the returned function is called. A goroutine
// writes to conn, so that no member waits for another one. tooSlow is called,
// under the lock of the room, when too much would wait for conn.
func (r *room) join(ctx context.Context, conn *websocket.Conn, tooSlow func()) (leave func()) {
	q := &queue{wake: sync.Cond{L: &r.mu}, tooSlow: tooSlow}
	r.mu.Lock()
	if r.members == nil {
		r.members = make(map[*websocket.Conn]*queue)
	}
	r.members[conn] = q
	r.mu.Unlock()
	var writer sync.WaitGroup
	writer.Go(func() {
		for m := r.next(q); m != nil; m = r.next(q) {
			conn.WritePrepared(ctx, m) // an error closes conn, which its reader notices
		}
	})
	return func() {
		r.mu.Lock()
		r.remove(conn)
		r.mu.Unlock()
		writer.Wait()
	}
}

// next waits for a message and takes it out of q. It returns nil once the
// membership is over: what waited then is dropped.
func (r *room) next(q *queue) *websocket.PreparedMessage {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(q.messages) == 0 && !q.over {
		q.wake.Wait()
	}
	if q.over {
		return nil
	}
	m := q.messages[0]
	q.messages[0] = waiting{}
	q.messages = q.messages[1:]
	q.bytes -= m.cost
	return m.PreparedMessage
}

// remove ends the membership of conn. The caller holds the lock.
func (r *room) remove(conn *websocket.Conn) {
	if q, ok := r.members[conn]; ok {
		delete(r.members, conn)
		q.messages, q.over = nil, true
		q.wake.Signal()
	}
}

// send sends a message to all members. It closes a member for which too much
// would wait, and does not wait for that.
func (r *room) send(typ websocket.MessageType, p []byte) error {
	prepared, err := websocket.NewPreparedMessage(typ, p)
	if err != nil {
		return err
	}
	m := waiting{prepared, len(p) + messageCost}
	most := cmp.Or(r.backlog, defaultBacklog)
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn, q := range r.members {
		// One message may always wait: a member that answers each message
		// may do so before the write to it has returned.
		if most > 0 && len(q.messages) > 0 && q.bytes+m.cost > most {
			r.remove(conn)
			q.tooSlow()
			go conn.Close(websocket.StatusPolicyViolation, fmt.Sprintf("too slow: more than %d bytes wait", most))
			continue
		}
		q.messages = append(q.messages, m)
		q.bytes += m.cost
		q.wake.Signal()
	}
	return nil
}

// rooms are the chat rooms by name, as long as somebody is in them.
type rooms struct {
	backlog int

	mu    sync.Mutex
	named map[string]*room
}

// enter returns the room of this name, and a function to call when it is left.
func (rs *rooms) enter(name string) (*room, func()) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.named == nil {
		rs.named = make(map[string]*room)
	}
	r, ok := rs.named[name]
	if !ok {
		r = &room{backlog: rs.backlog}
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
