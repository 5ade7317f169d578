package echoserver

import (
	"context"
	"net"
	"net/http"
	"sync"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsloop"
	"github.com/wskit/wskit/wsutil"
)

// Servers that send each message to all connections, with the API of each
// library for that.

func broadcastLoop(ln net.Listener) error {
	var group websocket.Group
	s, err := wsloop.New(nil, &wsloop.Handler{
		Open: func(c *wsloop.Conn) { group.JoinMember(c) },
		Message: func(_ *wsloop.Conn, op ws.OpCode, p []byte) {
			if m, err := wsutil.NewPreparedMessage(op, p); err == nil {
				group.Broadcast(m)
			}
		},
	})
	if err != nil {
		return err
	}
	return s.Serve(ln)
}

func broadcastWebsocket(ln net.Listener) error {
	var group websocket.Group
	options := &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Group: &group}}
	return http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, options)
		if err != nil {
			return
		}
		for m, err := range c.Messages(context.Background()) {
			if err != nil {
				return
			}
			if p, err := websocket.NewPreparedMessage(m.Type, m.Data); err == nil {
				group.Broadcast(p)
			}
		}
	}))
}

// members is a set of connections, for libraries without one.
type members[C comparable] struct {
	mu  sync.Mutex
	all map[C]struct{}
}

func (m *members[C]) join(c C) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = make(map[C]struct{})
	}
	m.all[c] = struct{}{}
}

func (m *members[C]) each(f func(C)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.all {
		f(c)
	}
}

type gwsRoom struct {
	gws.BuiltinEventHandler
	members[*gws.Conn]
}

func (r *gwsRoom) OnOpen(c *gws.Conn) { r.join(c) }

func (r *gwsRoom) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer m.Close()
	b := gws.NewBroadcaster(m.Opcode, m.Bytes())
	defer b.Close()
	r.each(func(c *gws.Conn) { b.Broadcast(c) })
}

func broadcastGWS(ln net.Listener) error {
	u := gws.NewUpgrader(new(gwsRoom), &gws.ServerOption{CheckUtf8Enabled: true})
	return http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := u.Upgrade(w, r); err == nil {
			go c.ReadLoop()
		}
	}))
}

func broadcastGorilla(ln net.Listener) error {
	var room members[*gorilla.Conn]
	return http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := gorillaUpgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		room.join(c)
		for {
			typ, p, err := c.ReadMessage()
			if err != nil {
				return
			}
			if m, err := gorilla.NewPreparedMessage(typ, p); err == nil {
				room.each(func(c *gorilla.Conn) { c.WritePreparedMessage(m) })
			}
		}
	}))
}

func broadcastCoder(ln net.Listener) error {
	var room members[*coder.Conn]
	ctx := context.Background()
	return http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := coder.Accept(w, r, &coder.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		room.join(c)
		for {
			typ, p, err := c.Read(ctx)
			if err != nil {
				return
			}
			room.each(func(c *coder.Conn) { c.Write(ctx, typ, p) })
		}
	}))
}
