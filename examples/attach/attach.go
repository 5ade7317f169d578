// Package attach hands connections of a net/http server to a few loops: the routes,
// middleware and sessions of the program stay as they are, and a connection that was
// upgraded costs no goroutine. Frameworks on net/http, such as gin, call Handler as any
// other http.Handler. It is made to be copied from.
package attach

import (
	"net/http"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsloop"
)

// Handler upgrades requests and gives the connections to server. The user is what the
// program knows of the request, from its session for instance.
func Handler(server *wsloop.Server, user func(r *http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !ws.SameOrigin(r.Host, r.TLS != nil, r.Header.Values("Origin")...) {
			http.Error(w, "origin not allowed", http.StatusForbidden)
			return
		}
		name := user(r)
		conn, rw, hs, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return // the client was answered
		}
		server.Attach(conn, rw.Reader, hs, ws.StateServerSide, &wsloop.Options{Value: name})
	})
}

// Greeter returns the handler of the loops: it says hello by name, and echoes.
func Greeter() *wsloop.Handler {
	return &wsloop.Handler{
		Open: func(c *wsloop.Conn) {
			c.Send(ws.OpText, []byte("hello, "+wsloop.ValueOf[string](c)))
		},
		Message: func(c *wsloop.Conn, op ws.OpCode, p []byte) { c.Send(op, p) },
	}
}
