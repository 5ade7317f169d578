package main

import (
	"context"
	"net/http"

	"github.com/gorilla/websocket"
)

// gorillaAgents are github.com/gorilla/websocket. It leaves UTF-8 validation to
// its users.
func gorillaAgents(_ string, limit int64) []*agent {
	a := &agent{name: "gorilla/websocket", setup: "EnableCompression, SetReadLimit; leaves the check of UTF-8 to its users", version: moduleVersion("github.com/gorilla/websocket")}
	upgrader := websocket.Upgrader{EnableCompression: true, CheckOrigin: func(*http.Request) bool { return true }}
	a.serve = eachRequest(func(w http.ResponseWriter, r *http.Request) {
		if c, err := upgrader.Upgrade(w, r, nil); err == nil {
			gorillaEcho(c, limit)
		}
	})
	dialer := websocket.Dialer{EnableCompression: true}
	a.dial = func(ctx context.Context, url string) error {
		c, _, err := dialer.DialContext(ctx, url, nil)
		if err == nil {
			gorillaEcho(c, limit)
		}
		return err
	}
	return []*agent{a}
}

func gorillaEcho(c *websocket.Conn, limit int64) {
	defer c.Close()
	c.SetReadLimit(limit)
	for {
		typ, p, err := c.ReadMessage()
		if err != nil {
			lingerTCP(c.NetConn())
			return
		}
		if c.WriteMessage(typ, p) != nil {
			return
		}
	}
}
