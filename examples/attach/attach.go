// Package attach moves connections of a net/http server to a few loops. The
// routes, middleware and sessions of the program do not change, and an upgraded
// connection needs no goroutine. Frameworks on net/http, such as gin, call
// Handler like any other http.Handler. It is a program to copy.
package attach

import (
	"net/http"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsloop"
)

// Handler upgrades requests and attaches the connections to server. user
// returns the user of a request, for example from its session.
func Handler(server *wsloop.Server, user func(r *http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !ws.SameOrigin(r.Host, r.TLS != nil, r.Header.Values("Origin")...) {
			http.Error(w, "origin not allowed", http.StatusForbidden)
			return
		}
		name := user(r)
		conn, rw, hs, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return // the client has the response
		}
		server.Attach(conn, rw.Reader, hs, ws.StateServerSide, &wsloop.Options{Value: name})
	})
}

// Greeter returns the handler of the loops, which greets the user by name and
// echoes.
func Greeter() *wsloop.Handler {
	return &wsloop.Handler{
		Open: func(c *wsloop.Conn) {
			c.Send(ws.OpText, []byte("hello, "+wsloop.ValueOf[string](c)))
		},
		Message: func(c *wsloop.Conn, op ws.OpCode, p []byte) { c.Send(op, p) },
	}
}
