package websocket_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/wskit/wskit/websocket"
)

// All connections of a server share one Stats. Package wsprometheus exports it.
func ExampleStats() {
	stats := new(websocket.Stats)
	options := &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Stats: stats}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, options)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for _, err := range c.Messages(r.Context()) {
			if err != nil {
				return
			}
		}
	}))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, srv.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	c.Write(ctx, websocket.MessageText, []byte("hello"))
	c.Close(websocket.StatusNormalClosure, "")
	websocket.Dial(ctx, srv.URL, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"https://evil.example"}}}) // refused

	fmt.Println("opened", stats.Opened.Load(), "messages", stats.MessagesRead.Load(), "bytes", stats.BytesRead.Load())
	for code, n := range stats.AllClosesRead() {
		fmt.Println(code, n)
	}
	for status, n := range stats.AllRefused() {
		fmt.Println("status", status, n)
	}
	// Output:
	// opened 1 messages 1 bytes 5
	// StatusNormalClosure 1
	// status 403 1
}
