package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// serve starts a server. It returns the URL of the server and a function that
// stops it.
func serve(handler http.HandlerFunc) (url string, stop func()) {
	srv := httptest.NewServer(handler)
	return srv.URL, srv.Close // Dial takes http:// for ws://
}

// dial connects, or ends the example.
func dial(ctx context.Context, url string) *websocket.Conn {
	c, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		panic(err)
	}
	return c
}

// echo is a handler that sends every message back.
func echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered the client
	}
	defer c.CloseNow()
	for msg, err := range c.Messages(r.Context()) {
		if err != nil || c.Write(r.Context(), msg.Type, msg.Data) != nil {
			return
		}
	}
}

// A server echoes the message of a client.
func Example() {
	url, stop := serve(echo)
	defer stop()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()

	if err := c.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		fmt.Println(err)
		return
	}
	typ, p, err := c.Read(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(typ, string(p))
	fmt.Println(c.Close(websocket.StatusNormalClosure, "bye"))
	// Output:
	// MessageText hello
	// <nil>
}

func ExampleAccept() {
	url, stop := serve(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return // Accept has answered the client
		}
		defer c.CloseNow()

		_, p, err := c.Read(r.Context())
		if err != nil {
			return
		}
		fmt.Printf("server: %s\n", p)
		c.Close(websocket.StatusNormalClosure, "that was all")
	})
	defer stop()

	ctx := context.Background()
	c := dial(ctx, url)
	defer c.CloseNow()
	c.Write(ctx, websocket.MessageText, []byte("hi"))
	_, _, err := c.Read(ctx)
	fmt.Println("client:", websocket.CloseStatus(err))
	// Output:
	// server: hi
	// client: StatusNormalClosure
}

// OriginPatterns allow pages of other sites to connect.
func ExampleAccept_origins() {
	url, stop := serve(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			OriginPatterns: []string{"https://*.example.com"},
		})
		if err != nil {
			return
		}
		c.CloseNow()
	})
	defer stop()

	for _, origin := range []string{"https://www.example.com", "http://www.example.com", "https://evil.example"} {
		c, resp, err := websocket.Dial(context.Background(), url, &websocket.DialOptions{
			HTTPHeader: http.Header{"Origin": {origin}},
		})
		if err == nil {
			c.CloseNow()
		}
		fmt.Println(origin, resp.StatusCode)
	}
	// Output:
	// https://www.example.com 101
	// http://www.example.com 403
	// https://evil.example 403
}

// OnHandshake refuses the handshake with a status of its choice.
func ExampleAccept_refuse() {
	url, stop := serve(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			OnHandshake: func(r *http.Request, answer http.Header) error {
				if r.URL.Query().Get("ticket") == "" {
					return ws.RejectConnectionError(
						ws.RejectionStatus(http.StatusPaymentRequired),
						ws.RejectionReason("no ticket"),
					)
				}
				answer.Set("X-Seat", "12")
				return nil
			},
		})
		if err != nil {
			return
		}
		c.CloseNow()
	})
	defer stop()

	_, resp, err := websocket.Dial(context.Background(), url, nil)
	body, _ := io.ReadAll(resp.Body)
	refusal, _ := errors.AsType[*ws.ConnectionRejectedError](err)
	fmt.Printf("%d %s\n", refusal.StatusCode(), body)

	c, resp, err := websocket.Dial(context.Background(), url+"?ticket=1", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	c.CloseNow()
	fmt.Println("seat", resp.Header.Get("X-Seat"))
	// Output:
	// 402 no ticket
	// seat 12
}

func ExampleDial() {
	url, stop := serve(echo)
	defer stop()

	// The context bounds the handshake, but not the connection.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	c, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer token"}},
	})
	cancel()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	fmt.Println(resp.Status)
	// Output: 101 Switching Protocols
}

func ExampleConn_Subprotocol() {
	url, stop := serve(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			Subprotocols: []string{"chat.v2", "chat.v1"}, // in order of preference
		})
		if err != nil {
			return
		}
		c.CloseNow()
	})
	defer stop()

	c, _, err := websocket.Dial(context.Background(), url, &websocket.DialOptions{
		Subprotocols: []string{"chat.v1", "chat.v3"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	fmt.Println(c.Subprotocol())
	// Output: chat.v1
}

func ExampleRead() {
	url, stop := serve(echo)
	defer stop()

	ctx := context.Background()
	conn := dial(ctx, url)
	defer conn.CloseNow()

	websocket.Write(ctx, conn, websocket.MessageText, []byte("hello"))
	var text string
	if _, err := websocket.Read(ctx, conn, &text); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(text)

	websocket.Write(ctx, conn, websocket.MessageBinary, []byte{1, 2, 3})
	_, err := websocket.Read(ctx, conn, &text)
	fmt.Println(err)

	websocket.Write(ctx, conn, websocket.MessageBinary, []byte{1, 2, 3})
	var p []byte
	typ, err := websocket.Read(ctx, conn, &p)
	fmt.Println(typ, p, err)
	// Output:
	// hello
	// websocket: cannot read a message of type MessageBinary into a string
	// MessageBinary [1 2 3] <nil>
}

func ExampleWrite() {
	url, stop := serve(echo)
	defer stop()

	ctx := context.Background()
	conn := dial(ctx, url)
	defer conn.CloseNow()

	fmt.Println(websocket.Write(ctx, conn, websocket.MessageText, []byte("hello")))
	// Output: <nil>
}

func ExampleConn_Messages() {
	url, stop := serve(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for _, word := range []string{"ready", "steady", "go"} {
			c.Write(r.Context(), websocket.MessageText, []byte(word))
		}
		c.Close(websocket.StatusNormalClosure, "")
	})
	defer stop()

	ctx := context.Background()
	c := dial(ctx, url)
	defer c.CloseNow()
	for msg, err := range c.Messages(ctx) {
		if err != nil {
			fmt.Println(websocket.CloseStatus(err))
			break
		}
		fmt.Printf("%s\n", msg.Data)
	}
	// Output:
	// ready
	// steady
	// go
	// StatusNormalClosure
}

// ReadAppend uses one buffer for all messages, and does not allocate.
func ExampleConn_ReadAppend() {
	url, stop := serve(echo)
	defer stop()

	ctx := context.Background()
	c := dial(ctx, url)
	defer c.CloseNow()

	buf := make([]byte, 0, 1024)
	for i := range 3 {
		c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, "message %d", i))
		_, p, err := c.ReadAppend(ctx, buf[:0])
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s\n", p) // valid until the next read
		buf = p
	}
	// Output:
	// message 0
	// message 1
	// message 2
}

// Writer streams a message that does not fit into memory.
func ExampleConn_Writer() {
	url, stop := serve(echo)
	defer stop()

	ctx := context.Background()
	c := dial(ctx, url)
	defer c.CloseNow()

	w, err := c.Writer(ctx, websocket.MessageBinary)
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 1000 {
		io.WriteString(w, "on and on ")
	}
	if err := w.Close(); err != nil { // ends the message
		fmt.Println(err)
		return
	}

	typ, r, err := c.Reader(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := io.Copy(io.Discard, r)
	fmt.Println(typ, n, err)
	// Output: MessageBinary 10000 <nil>
}

// A server sends a feed to a client that may be slow. Send never waits. If the
// queue is full, its policy applies. SendKey keeps only the newest value of
// each key in the queue.
func ExampleConn_Send() {
	url, stop := serve(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{
			Queue: websocket.SendQueueOptions{MaxBytes: 1 << 20, Policy: websocket.SendDropOldest},
		}})
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.Send(websocket.MessageText, []byte("hello"))
		c.SendKey(websocket.MessageText, []byte("ACME 101.5"), "ACME")
		result, err := c.Send(websocket.MessageText, []byte("bye"))
		fmt.Println(result, err)
		c.Close(websocket.StatusNormalClosure, "") // after all queued messages
	})
	defer stop()
	ctx := context.Background()
	c := dial(ctx, url)
	defer c.CloseNow()
	for {
		_, p, err := c.Read(ctx)
		if err != nil {
			break
		}
		fmt.Println(string(p))
	}
	// Unordered output:
	// SendQueued <nil>
	// hello
	// ACME 101.5
	// bye
}

// Reads receive pongs. Here CloseRead reads, because no messages are expected.
func ExampleConn_Ping() {
	url, stop := serve(echo)
	defer stop()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := dial(ctx, url)
	defer c.CloseNow()

	ctx = c.CloseRead(ctx)
	for range 3 {
		if err := c.Ping(ctx); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println("alive")
	// Output: alive
}

// A handler that only writes calls CloseRead, which answers pings and ends the
// context when the client leaves.
func ExampleConn_CloseRead() {
	left := make(chan bool)
	url, stop := serve(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()

		ctx := c.CloseRead(r.Context())
		ticks := time.NewTicker(time.Millisecond)
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				left <- true
				return
			case <-ticks.C:
				c.Write(ctx, websocket.MessageText, []byte("tick"))
			}
		}
	})
	defer stop()

	ctx := context.Background()
	c := dial(ctx, url)
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err)
	c.CloseNow()
	fmt.Println(<-left)
	// Output:
	// tick <nil>
	// true
}

func ExampleCloseStatus() {
	url, stop := serve(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		c.Close(4001, "your ticket has expired")
	})
	defer stop()

	ctx := context.Background()
	c := dial(ctx, url)
	defer c.CloseNow()
	_, _, err := c.Read(ctx)
	fmt.Println(int(websocket.CloseStatus(err)))

	closed, _ := errors.AsType[websocket.CloseError](err)
	fmt.Println(closed.Reason)
	fmt.Println(int(websocket.CloseStatus(io.EOF)), "is no close frame")
	// Output:
	// 4001
	// your ticket has expired
	// -1 is no close frame
}

// NetConn carries any protocol that uses a stream of bytes.
func ExampleNetConn() {
	url, stop := serve(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		conn := websocket.NetConn(r.Context(), c, websocket.MessageBinary)
		defer conn.Close()
		io.Copy(conn, conn)
	})
	defer stop()

	ctx := context.Background()
	conn := websocket.NetConn(ctx, dial(ctx, url), websocket.MessageBinary)
	defer conn.Close()
	go io.WriteString(conn, "a stream of bytes")
	p := make([]byte, len("a stream"))
	_, err := io.ReadFull(conn, p)
	fmt.Printf("%s %v\n", p, err)
	// Output: a stream <nil>
}

// http.Server.Shutdown does not close WebSocket connections; the group does.
func ExampleGroup() {
	var group websocket.Group
	url, stop := serve(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			ConnOptions: websocket.ConnOptions{Group: &group},
		})
		if err != nil {
			return
		}
		defer c.CloseNow()
		<-c.CloseRead(context.Background()).Done()
	})
	defer stop()

	ctx := context.Background()
	c := dial(ctx, url)
	defer c.CloseNow()
	told := make(chan websocket.StatusCode)
	go func() {
		_, _, err := c.Read(ctx)
		told <- websocket.CloseStatus(err)
	}()

	deadline, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	fmt.Println(group.Shutdown(deadline))
	fmt.Println(<-told)

	_, resp, _ := websocket.Dial(ctx, url, nil)
	fmt.Println("a new client gets", resp.Status)
	// Output:
	// <nil>
	// StatusGoingAway
	// a new client gets 503 Service Unavailable
}

// A server stops while a handler works on a message. The client gets its answer
// and then the close frame.
func ExampleGroup_Drain() {
	var group websocket.Group
	begun := make(chan bool, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			ConnOptions: websocket.ConnOptions{Group: &group},
		})
		if err != nil {
			return
		}
		defer c.CloseNow() // with a handshake, while the group drains
		for msg, err := range c.Messages(r.Context()) {
			if err != nil {
				fmt.Println(errors.Is(err, websocket.ErrDraining))
				return
			}
			begun <- true
			time.Sleep(400 * time.Millisecond) // the work
			c.Write(r.Context(), msg.Type, msg.Data)
		}
	}))
	ctx := context.Background()
	c := dial(ctx, srv.URL)
	defer c.CloseNow()
	c.Write(ctx, websocket.MessageText, []byte("a request"))
	<-begun

	stopped := make(chan error)
	go func() {
		deadline, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		stopped <- errors.Join(group.Drain(deadline), srv.Config.Shutdown(deadline))
	}()
	for {
		_, p, err := c.Read(ctx)
		if err != nil {
			fmt.Println(websocket.CloseStatus(err), <-stopped)
			return
		}
		fmt.Printf("answer to %s\n", p)
	}
	// Unordered output:
	// answer to a request
	// true
	// StatusGoingAway <nil>
}

// Members join and leave a room. Broadcast does not wait for a member that does
// not read.
func ExampleGroup_Broadcast() {
	var room websocket.Group
	url, stop := serve(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetValue(r.URL.Query().Get("name"))
		room.Join(c)
		<-c.CloseRead(context.Background()).Done()
	})
	defer stop()

	ctx := context.Background()
	c := dial(ctx, url+"?name=Gopher")
	defer c.CloseNow()
	for room.Len() == 0 {
		time.Sleep(time.Millisecond)
	}
	for member := range room.Conns() {
		fmt.Println(member.Value(), "is here")
	}
	news, err := websocket.NewPreparedMessage(websocket.MessageText, []byte("news"))
	if err != nil {
		fmt.Println(err)
		return
	}
	taken, missed := room.Broadcast(news)
	fmt.Println(taken, missed)
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err)
	// Output:
	// Gopher is here
	// 1 0
	// news <nil>
}

// A message for many connections is encoded once.
func ExamplePreparedMessage() {
	var group websocket.Group
	url, stop := serve(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			CompressionMode: websocket.CompressionNoContextTakeover,
			ConnOptions:     websocket.ConnOptions{Group: &group},
		})
		if err != nil {
			return
		}
		defer c.CloseNow()
		<-c.CloseRead(context.Background()).Done()
	})
	defer stop()

	ctx := context.Background()
	var clients []*websocket.Conn
	for range 3 {
		clients = append(clients, dial(ctx, url))
	}
	for group.Len() < len(clients) {
		time.Sleep(time.Millisecond)
	}

	news, err := websocket.NewPreparedMessage(websocket.MessageText, []byte("news for all"))
	if err != nil {
		fmt.Println(err)
		return
	}
	group.Broadcast(news)
	for _, c := range clients {
		_, p, err := c.Read(ctx)
		fmt.Println(string(p), err)
		c.CloseNow()
	}
	// Output:
	// news for all <nil>
	// news for all <nil>
	// news for all <nil>
}

// NewConn uses the connection of a raw upgrade, without net/http.
func ExampleNewConn() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		hs, err := ws.Upgrade(conn)
		if err != nil {
			conn.Close()
			return
		}
		c, err := websocket.NewConn(conn, nil, hs, ws.StateServerSide, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		typ, p, err := c.Read(context.Background())
		if err == nil {
			c.Write(context.Background(), typ, p)
		}
		c.Close(websocket.StatusNormalClosure, "")
	}()

	ctx := context.Background()
	conn, br, hs, err := ws.Dial(ctx, "ws://"+l.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := websocket.NewConn(conn, br, hs, ws.StateClientSide, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	c.Write(ctx, websocket.MessageText, []byte("raw"))
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err)
	// Output: raw <nil>
}
