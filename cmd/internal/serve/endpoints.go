package serve

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/wskit/wskit/websocket"
)

// echo echoes each message.
func (s *server) echo(ctx context.Context, conn *websocket.Conn, _ *http.Request) error {
	for m, err := range conn.BorrowedMessages(ctx) {
		if err != nil {
			return err
		}
		if err := conn.Write(ctx, m.Type, m.Data); err != nil {
			return err
		}
	}
	return nil
}

// broadcastTo sends each message to all clients of the endpoint.
func (s *server) broadcastTo(ctx context.Context, conn *websocket.Conn, _ *http.Request) error {
	s.limit(conn, int64(cmp.Or(s.maxBacklog, defaultBacklog)))
	if err := s.broadcast.Join(conn); err != nil {
		return err
	}
	for m, err := range conn.BorrowedMessages(ctx) {
		if err != nil {
			return err
		}
		if err := send(&s.broadcast, m.Type, m.Data); err != nil {
			return err
		}
	}
	return nil
}

// said is a message of a chat room.
type said struct {
	Kind string    `json:"kind"` // "join", "leave" or "text"
	Room string    `json:"room"`
	From string    `json:"from"`
	Text string    `json:"text,omitempty"`
	At   time.Time `json:"at"`
}

// maxChatText is the maximum size of a text of /chat in bytes.
const maxChatText = 64 << 10

// chat sends each text to all members of the room, with the name of its sender.
func (s *server) chat(ctx context.Context, conn *websocket.Conn, r *http.Request) error {
	s.limit(conn, maxChatText)
	query := r.URL.Query()
	name, topic := label(query.Get("name"), "anonymous"), label(query.Get("room"), "lobby")
	room, empty := s.rooms.enter(topic)
	defer empty()
	say := func(kind, text string) error {
		p, err := json.Marshal(said{kind, topic, name, text, time.Now().UTC()})
		if err != nil {
			return err
		}
		return send(&room.Group, websocket.MessageText, p)
	}
	defer say("leave", "")
	defer room.Leave(conn)
	if err := errors.Join(room.Join(conn), say("join", "")); err != nil {
		return err
	}
	for m, err := range conn.BorrowedMessages(ctx) {
		if err != nil {
			return err
		}
		if m.Type != websocket.MessageText {
			return conn.Close(websocket.StatusUnsupportedData, "the chat takes text")
		}
		if err := say("text", string(m.Data)); err != nil {
			return err
		}
	}
	return nil
}

// label limits the length of a name that a client has chosen.
func label(s, otherwise string) string {
	if s == "" || !utf8.ValidString(s) {
		return otherwise
	}
	if r := []rune(s); len(r) > 40 {
		return string(r[:40])
	}
	return s
}
