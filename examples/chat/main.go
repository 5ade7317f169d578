// Chat is a chat with rooms. Messages of a client of /chat/ROOM are sent to all
// members of that room. Slow clients are closed with 1013. From the folder of
// the examples:
//
//	go run ./chat
//	wskit dial 'ws://127.0.0.1:8095/chat/go?name=ann'
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

type message struct {
	From string `json:"from,omitempty"` // empty for events of the room
	Text string `json:"text"`
}

type chat struct {
	all   websocket.Group // to shut down
	mu    sync.Mutex
	rooms map[string]*websocket.Group
}

// enter makes c a member of a room, which exists while it has members.
func (s *chat) enter(name string, c *websocket.Conn) (*websocket.Group, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	room := s.rooms[name]
	if room == nil {
		room = new(websocket.Group)
	}
	if err := room.Join(c); err != nil {
		return nil, err // the client has already left
	}
	s.rooms[name] = room
	return room, nil
}

func (s *chat) leave(name string, c *websocket.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	room := s.rooms[name]
	room.Leave(c)
	if room.Len() == 0 {
		delete(s.rooms, name)
	}
}

// say sends a message to a room. It does not block: each member has a queue,
// and a member whose queue is full is closed.
func say(room *websocket.Group, m message) {
	text, _ := json.Marshal(m)                                                 // strings do not fail
	prepared, err := websocket.NewPreparedMessage(websocket.MessageText, text) // encoded once
	if err != nil {
		return
	}
	room.Broadcast(prepared) // returns the numbers of sent and dropped messages
}

func (s *chat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.FormValue("name")
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		OnHandshake: func(*http.Request, http.Header) error {
			if name == "" || len(name) > 40 {
				return ws.RejectConnectionError(ws.RejectionStatus(http.StatusBadRequest), ws.RejectionReason("name needs 1 to 40 bytes"))
			}
			return nil
		},
		ConnOptions: websocket.ConnOptions{
			Group:        &s.all,
			KeepAlive:    30 * time.Second,
			CloseTimeout: time.Second, // for slow members
			ReadLimit:    4 << 10,
			Queue:        websocket.SendQueueOptions{MaxBytes: 64 << 10, Policy: websocket.SendClose},
		},
	})
	if err != nil {
		return // the client has the response
	}
	defer c.CloseNow()
	room, err := s.enter(r.PathValue("room"), c)
	if err != nil {
		return
	}
	say(room, message{Text: name + " is here"})
	for m, err := range c.Messages(r.Context()) {
		if err != nil {
			break
		}
		say(room, message{From: name, Text: string(m.Data)})
	}
	s.leave(r.PathValue("room"), c)
	say(room, message{Text: name + " has left"})
}

// run serves until ctx ends.
func (s *chat) run(ctx context.Context, ln net.Listener) error {
	s.rooms = make(map[string]*websocket.Group)
	mux := http.NewServeMux()
	mux.Handle("GET /chat/{room}", s)
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(s.all.Shutdown(grace), server.Shutdown(grace))
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8095", "`host:port` to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("chat: serving on ws://%v/chat/ROOM?name=NAME\n", ln.Addr())
	if err := new(chat).run(ctx, ln); err != nil {
		log.Fatal(err)
	}
}
