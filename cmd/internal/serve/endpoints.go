package serve

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/wskit/wskit/websocket"
)

// echo sends each message back.
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

// broadcastTo sends each message to all clients that are connected there.
func (s *server) broadcastTo(ctx context.Context, conn *websocket.Conn, r *http.Request) error {
	leave := s.broadcast.join(ctx, conn, s.tooSlow("broadcast", r))
	defer leave()
	for m, err := range conn.BorrowedMessages(ctx) {
		if err != nil {
			return err
		}
		if err := s.broadcast.send(m.Type, m.Data); err != nil {
			return err
		}
	}
	return nil
}

// tooSlow returns what counts and logs that a member is closed.
func (s *server) tooSlow(endpoint string, r *http.Request) func() {
	return func() {
		s.metrics.slow.WithLabelValues(endpoint).Inc()
		s.log.Warn("member is too slow", "endpoint", endpoint, "remote", r.RemoteAddr)
	}
}

// said is what a chat room sends.
type said struct {
	Kind string    `json:"kind"` // "join", "leave" or "text"
	Room string    `json:"room"`
	From string    `json:"from"`
	Text string    `json:"text,omitempty"`
	At   time.Time `json:"at"`
}

// maxChatText is the longest text of /chat in bytes. In JSON a byte may become
// six.
const maxChatText = 64 << 10

// chat sends each text to all members of the room, with the name of its sender.
func (s *server) chat(ctx context.Context, conn *websocket.Conn, r *http.Request) error {
	if s.maxMessage < 0 || s.maxMessage > maxChatText {
		conn.SetReadLimit(maxChatText)
	}
	query := r.URL.Query()
	name, topic := label(query.Get("name"), "anonymous"), label(query.Get("room"), "lobby")
	room, empty := s.rooms.enter(topic)
	defer empty()
	leave := room.join(ctx, conn, s.tooSlow("chat", r))
	say := func(kind, text string) error {
		p, err := json.Marshal(said{kind, topic, name, text, time.Now().UTC()})
		if err != nil {
			return err
		}
		return room.send(websocket.MessageText, p)
	}
	defer say("leave", "")
	defer leave()
	if err := say("join", ""); err != nil {
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

// label bounds a name that a client has chosen.
func label(s, otherwise string) string {
	if s == "" || !utf8.ValidString(s) {
		return otherwise
	}
	if r := []rune(s); len(r) > 40 {
		return string(r[:40])
	}
	return s
}
