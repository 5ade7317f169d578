// Package chatloop is a chat with rooms on a few loops: the path of the request
// is the room. It is a program to copy.
package chatloop

import (
	"net/http"
	"sync"
	"time"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsloop"
	"github.com/wskit/wskit/wsutil"
)

// Chat holds the rooms of a server.
type Chat struct {
	mu    sync.Mutex
	rooms map[string]*room
}

type room struct {
	websocket.Group
	name string
}

// New starts a chat server.
func New() (*wsloop.Server, error) {
	chat := &Chat{rooms: make(map[string]*room)}
	return wsloop.New(&wsloop.Config{
		OnRequest: pickRoom,
		KeepAlive: time.Minute,
	}, &wsloop.Handler{Open: chat.join, Message: say, Close: chat.leave})
}

// pickRoom uses the path as the name of the room.
func pickRoom(r *ws.Request, o *wsloop.Options) error {
	if len(r.Target) < 2 {
		return ws.RejectConnectionError(ws.RejectionStatus(http.StatusNotFound))
	}
	o.Value = string(r.Target[1:])
	return nil
}

func (chat *Chat) join(c *wsloop.Conn) {
	chat.mu.Lock()
	defer chat.mu.Unlock()
	name := wsloop.ValueOf[string](c)
	r := chat.rooms[name]
	if r == nil {
		r = &room{name: name}
		chat.rooms[name] = r
	}
	r.JoinMember(c)
	c.SetValue(r)
}

// say sends a message to all members of the room. It is encoded once.
func say(c *wsloop.Conn, op ws.OpCode, p []byte) {
	if m, err := wsutil.NewPreparedMessage(op, p); err == nil {
		wsloop.ValueOf[*room](c).Broadcast(m)
	}
}

// leave removes the room if c was the last one.
func (chat *Chat) leave(c *wsloop.Conn, _ wsloop.End) {
	chat.mu.Lock()
	defer chat.mu.Unlock()
	r := wsloop.ValueOf[*room](c)
	r.LeaveMember(c)
	if r.Len() == 0 {
		delete(chat.rooms, r.name)
	}
}
