// Package chatloop is a chat with rooms on a few loops: the path of the request
// is the room. It is a program to copy.
package chatloop

import (
	"net/http"
	"sync"
	"time"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsloop"
	"github.com/wskit/wskit/wsutil"
)

// Chat holds the rooms of a server.
type Chat struct {
	mu    sync.Mutex
	rooms map[string]map[*wsloop.Conn]struct{}
}

// New starts a chat server.
func New() (*wsloop.Server, error) {
	chat := &Chat{rooms: make(map[string]map[*wsloop.Conn]struct{})}
	return wsloop.New(&wsloop.Config{
		OnRequest: pickRoom,
		KeepAlive: time.Minute,
	}, &wsloop.Handler{Open: chat.join, Message: chat.say, Close: chat.leave})
}

// pickRoom uses the path as the room.
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
	room := chat.rooms[name]
	if room == nil {
		room = make(map[*wsloop.Conn]struct{})
		chat.rooms[name] = room
	}
	room[c] = struct{}{}
}

// say sends a message to all members of the room. It is encoded once.
func (chat *Chat) say(c *wsloop.Conn, op ws.OpCode, p []byte) {
	m, err := wsutil.NewPreparedMessage(op, p)
	if err != nil {
		return
	}
	chat.mu.Lock()
	defer chat.mu.Unlock()
	for other := range chat.rooms[wsloop.ValueOf[string](c)] {
		other.SendPrepared(m)
	}
}

func (chat *Chat) leave(c *wsloop.Conn, _ wsloop.End) {
	chat.mu.Lock()
	defer chat.mu.Unlock()
	name := wsloop.ValueOf[string](c)
	delete(chat.rooms[name], c)
	if len(chat.rooms[name]) == 0 {
		delete(chat.rooms, name)
	}
}
