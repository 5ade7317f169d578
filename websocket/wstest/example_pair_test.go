package wstest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wstest"
)

// clock is the code under test: it sends the time every minute.
func clock(ctx context.Context, c *websocket.Conn) error {
	for {
		select {
		case t := <-time.After(time.Minute):
			if err := c.Write(ctx, websocket.MessageText, t.AppendFormat(nil, time.TimeOnly)); err != nil {
				return err
			}
		case <-ctx.Done():
			return c.Close(websocket.StatusGoingAway, "the clock stops")
		}
	}
}

// In a synctest bubble the minutes take no time. This is the body of a test
// such as TestClock(t *testing.T).
func ExamplePair() {
	test := func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, server := wstest.Pair(t, nil)
			ctx, stop := context.WithCancel(t.Context())
			go clock(ctx, server)
			for range 3 {
				if _, _, err := client.Read(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			stop()
			_, _, err := client.Read(t.Context())
			if websocket.CloseStatus(err) != websocket.StatusGoingAway {
				t.Errorf("the clock ended with %v", err)
			}
		})
	}
	_ = test
}

// NewPair does not need a test. The client fails after it has read ten bytes.
func ExampleNewPair_fault() {
	client, server, err := wstest.NewPair(&wstest.PairOptions{
		ClientFault: &wstest.Fault{Kind: wstest.FaultError, At: 10},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseNow()
	defer server.CloseNow()

	ctx := context.Background()
	go func() {
		server.Write(ctx, websocket.MessageText, []byte("hello")) // 7 bytes with the header
		server.Write(ctx, websocket.MessageText, []byte("world"))
	}()
	_, p, err := client.Read(ctx)
	fmt.Printf("%s, %v\n", p, err)
	_, _, err = client.Read(ctx)
	fmt.Println(errors.Is(err, wstest.ErrInjected))
	// Output:
	// hello, <nil>
	// true
}

// A net/http server listens in memory, without a port, and a client connects.
func ExampleListen() {
	ln := wstest.Listen(&wstest.PipeOptions{Latency: 5 * time.Millisecond})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		c.Write(r.Context(), websocket.MessageText, []byte("hello"))
		c.Close(websocket.StatusNormalClosure, "")
	})}
	go server.Serve(ln)
	defer server.Close()

	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, "ws://server.example/", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: &http.Transport{DialContext: ln.DialContext}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	_, p, err := c.Read(ctx)
	fmt.Printf("%s, %v\n", p, err)
	// Output: hello, <nil>
}

// The connection accepts four bytes and then blocks. The deadline ends the
// write.
func ExampleInjectFault() {
	a, b := wstest.Pipe(nil)
	defer b.Close()
	conn := wstest.InjectFault(a, wstest.Fault{Kind: wstest.FaultBlock, Write: true, At: 4})
	defer conn.Close()

	conn.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	n, err := conn.Write([]byte("too long"))
	fmt.Println(n, errors.Is(err, os.ErrDeadlineExceeded))
	// Output: 4 true
}
