package wsloop_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"
	"net/http"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsloop"
	"github.com/wskit/wskit/wsutil"
)

// An echo server.
func Example() {
	s, err := wsloop.New(nil, &wsloop.Handler{
		Message: func(c *wsloop.Conn, op ws.OpCode, payload []byte) {
			c.Send(op, payload)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- s.Serve(l) }()

	conn, br, _, err := ws.Dial(context.Background(), "ws://"+l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	if br == nil {
		br = bufio.NewReader(conn)
	}
	ws.WriteFrame(conn, ws.MaskFrame(ws.NewTextFrame([]byte("hello"))))
	f, err := ws.ReadFrame(br)
	fmt.Println(string(f.Payload), err)
	conn.Close()

	s.Shutdown(context.Background())
	fmt.Println(<-done)
	// Output:
	// hello <nil>
	// wsloop: the server is closed
}

// A handler that takes time leaves its loop. Messages of the same connection
// wait for it, and those of others do not.
func ExampleConn_Go() {
	handler := &wsloop.Handler{
		Message: func(c *wsloop.Conn, op ws.OpCode, payload []byte) {
			query := string(payload) // the payload is valid until Message returns
			c.Go(func() {
				c.Send(op, []byte("result of "+query)) // after a query to a database
			})
		},
	}
	_ = handler
}

// A waiting value is replaced by newer ones with the same key.
func ExampleConn_SendPreparedKey() {
	var subscribers []*wsloop.Conn
	m, err := wsutil.NewPreparedMessage(ws.OpText, []byte(`{"symbol":"WSK","price":12.5}`))
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range subscribers {
		c.SendPreparedKey(m, "WSK")
	}
}

// A connection of net/http is handed to the loops.
func ExampleServer_Attach() {
	s, err := wsloop.New(nil, &wsloop.Handler{})
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		if !ws.SameOrigin(r.Host, r.TLS != nil, r.Header.Values("Origin")...) {
			http.Error(w, "origin not allowed", http.StatusForbidden)
			return
		}
		conn, rw, hs, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return // the client was answered
		}
		s.Attach(conn, rw.Reader, hs, ws.StateServerSide, &wsloop.Options{Value: r.URL.Query().Get("user")})
	})
	s.Shutdown(context.Background())
}
