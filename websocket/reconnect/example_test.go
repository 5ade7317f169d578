package reconnect_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/reconnect"
)

// OnConnect subscribes again on each connection.
func Example() {
	var connections atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		n := connections.Add(1)
		_, topic, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		conn.Write(r.Context(), websocket.MessageText, fmt.Appendf(nil, "news of %s, part %d", topic, n))
		if n < 3 {
			conn.Close(websocket.StatusServiceRestart, "update")
		} else {
			conn.Close(websocket.StatusNormalClosure, "that was all")
		}
	}))
	defer server.Close()

	client := reconnect.New(server.URL, &reconnect.Options{
		MinDelay: time.Millisecond, // for a quick example
		OnConnect: func(ctx context.Context, conn *websocket.Conn) error {
			return conn.Write(ctx, websocket.MessageText, []byte("weather"))
		},
	})
	err := client.Run(context.Background(), func(ctx context.Context, conn *websocket.Conn) error {
		for {
			_, p, err := conn.Read(ctx)
			if err != nil {
				return err // Run decides whether to dial again
			}
			fmt.Println(string(p))
		}
	})
	fmt.Println(err)
	// Output:
	// news of weather, part 1
	// news of weather, part 2
	// news of weather, part 3
	// reconnect: gave up (not retryable) at failure 3 in a row: websocket: read: status = StatusNormalClosure and reason = "that was all"
}
