package wsloop_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsloop"
)

// serve runs a server on a free port. It returns the URL, and a function that ends the
// server and waits.
func serve(h *wsloop.Handler) (url string, s *wsloop.Server, stop func()) {
	s, err := wsloop.New(nil, h)
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	return "ws://" + l.Addr().String(), s, func() {
		s.Shutdown(context.Background())
		<-served
	}
}

// A connection carries a value of the program: here, how many messages have come.
func ExampleConn_SetValue() {
	url, _, stop := serve(&wsloop.Handler{
		Message: func(c *wsloop.Conn, op ws.OpCode, payload []byte) {
			n := wsloop.ValueOf[int](c) + 1
			c.SetValue(n)
			c.Send(op, fmt.Appendf(nil, "%d: %s", n, payload))
		},
	})
	defer stop()

	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow()
	for _, text := range []string{"one", "two"} {
		c.Write(ctx, websocket.MessageText, []byte(text))
		_, p, err := c.Read(ctx)
		fmt.Println(string(p), err)
	}
	// Output:
	// 1: one <nil>
	// 2: two <nil>
}

// Shutdown sends each client a close frame and waits for the answers.
func ExampleServer_Shutdown() {
	opened := make(chan struct{})
	url, s, stop := serve(&wsloop.Handler{
		Open:  func(*wsloop.Conn) { close(opened) },
		Close: func(_ *wsloop.Conn, end wsloop.End) { fmt.Println("closed with", uint16(end.Code)) },
	})
	defer stop()
	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow()
	<-opened

	read := make(chan error, 1)
	go func() {
		_, _, err := c.Read(ctx)
		read <- err
	}()
	fmt.Println(s.Shutdown(ctx))
	fmt.Println(websocket.CloseStatus(<-read))
	// Output:
	// closed with 1001
	// <nil>
	// StatusGoingAway
}

// A group of package websocket broadcasts to connections of both packages.
func Example_broadcast() {
	var group websocket.Group
	url, _, stop := serve(&wsloop.Handler{
		Open: func(c *wsloop.Conn) { group.JoinMember(c) },
		Message: func(_ *wsloop.Conn, op ws.OpCode, payload []byte) {
			if m, err := websocket.NewPreparedMessage(websocket.MessageType(op), payload); err == nil {
				group.Broadcast(m)
			}
		},
	})
	defer stop()

	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow()
	c.Write(ctx, websocket.MessageText, []byte("hello, all"))
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err, group.Len())
	// Output: hello, all <nil> 1
}
