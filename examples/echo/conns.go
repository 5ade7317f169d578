package echo

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"sync"

	"github.com/wskit/wskit/websocket"
)

// ServeConns is ServeHTTP with package websocket, which implements the
// protocol. The program only has a loop over messages. It also accepts
// WebSockets over HTTP/2, if ln is a TLS listener that offers HTTP/2 and the
// program imports package xconnect.
func (s *Server) ServeConns(ctx context.Context, ln net.Listener) error {
	group := &websocket.Group{Reason: "server is stopping"}
	var echoes sync.WaitGroup
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", servePage)
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, s.options(group))
		if err != nil {
			s.report(r.RemoteAddr, err)
			return
		}
		peer := r.RemoteAddr
		if r.ProtoMajor > 1 { // the stream belongs to the handler
			s.report(peer, echoConn(c))
			return
		}
		// The handler returns, so that net/http releases its memory. The
		// connection continues on its own goroutine.
		echoes.Go(func() { s.report(peer, echoConn(c)) })
	})
	return serveHTTP(ctx, ln, mux, func(grace context.Context) error {
		err := group.Shutdown(grace)
		echoes.Wait()
		return err
	})
}

func (s *Server) options(group *websocket.Group) *websocket.AcceptOptions {
	return &websocket.AcceptOptions{
		Subprotocols:       []string{Protocol},
		InsecureSkipVerify: true, // an echo has nothing to protect
		CompressionMode:    s.Compression,
		ConnOptions: websocket.ConnOptions{
			ReadLimit:    cmp.Or(s.MaxMessage, DefaultMaxMessage),
			WriteTimeout: writeTimeout,
			CloseTimeout: lingerTimeout,
			Group:        group,
		},
	}
}

// echoConn echoes every message until one side closes. The error is nil after a
// close frame of the peer.
func echoConn(c *websocket.Conn) error {
	defer c.CloseNow()
	ctx := context.Background()
	var buf []byte
	for {
		typ, p, err := c.ReadAppend(ctx, buf[:0])
		if err == nil {
			err = c.Write(ctx, typ, p)
		}
		if websocket.CloseStatus(err) > 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if buf = p; cap(buf) > keepBuffer {
			buf = nil
		}
	}
}
