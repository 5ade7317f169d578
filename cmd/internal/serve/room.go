package serve

import (
	"context"
	"sync"

	"github.com/wskit/wskit/websocket"
)

// backlog is how many messages may wait for a member that reads slowly.
const backlog = 256

// room sends messages to its members. The zero value is an empty room.
type room struct {
	mu      sync.Mutex
	members map[*websocket.Conn]chan *websocket.PreparedMessage
	users   int // of rooms
}

// join makes conn a member, until the function is called that it returns. A goroutine
// writes to it, so that no member waits for another one.
func (r *room) join(ctx context.Context, conn *websocket.Conn) (leave func()) {
	queue := make(chan *websocket.PreparedMessage, backlog)
	r.mu.Lock()
	if r.members == nil {
		r.members = make(map[*websocket.Conn]chan *websocket.PreparedMessage)
	}
	r.members[conn] = queue
	r.mu.Unlock()
	var writer sync.WaitGroup
	writer.Go(func() {
		for m := range queue {
			conn.WritePrepared(ctx, m) // an error has closed the connection, which its reader notices
		}
	})
	return func() {
		r.remove(conn)
		writer.Wait()
	}
}

// remove ends the membership of conn.
func (r *room) remove(conn *websocket.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if queue, ok := r.members[conn]; ok {
		delete(r.members, conn)
		close(queue)
	}
}

// send sends a message to all members. A member whose backlog is full has to go.
func (r *room) send(typ websocket.MessageType, p []byte) error {
	m, err := websocket.NewPreparedMessage(typ, p)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn, queue := range r.members {
		select {
		case queue <- m:
		default:
			delete(r.members, conn)
			close(queue)
			go conn.Close(websocket.StatusPolicyViolation, "too slow")
		}
	}
	return nil
}

// rooms are the chat rooms by name, as long as somebody is in them.
type rooms struct {
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
