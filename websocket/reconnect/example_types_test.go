package reconnect_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/reconnect"
)

// Messages wait in the queue until there is a connection.
func ExampleClient_Send() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for msg, err := range conn.Messages(r.Context()) {
			if err != nil || conn.Write(r.Context(), msg.Type, append([]byte("got "), msg.Data...)) != nil {
				return
			}
		}
	}))
	defer server.Close()

	client := reconnect.New(server.URL, nil)
	client.Send(websocket.MessageText, []byte("one"))
	client.Send(websocket.MessageText, []byte("two"))
	messages, bytes := client.Buffered()
	fmt.Println(messages, "messages,", bytes, "bytes")

	err := client.Run(context.Background(), func(ctx context.Context, conn *websocket.Conn) error {
		for range 2 {
			_, p, err := conn.Read(ctx)
			if err != nil {
				return err
			}
			fmt.Println(string(p))
		}
		return nil // Run then closes the connection
	})
	fmt.Println(err)
	// Output:
	// 2 messages, 6 bytes
	// got one
	// got two
	// <nil>
}
