package wsotel_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	wsotel "github.com/wskit/wskit/contrib/otel"
	"github.com/wskit/wskit/websocket"
)

func Example() {
	telemetry, err := wsotel.New(nil) // with the global providers
	if err != nil {
		fmt.Println(err)
		return
	}
	defer telemetry.Close()

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := telemetry.Accept(w, r, nil) // in place of websocket.Accept
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.Write(r.Context(), websocket.MessageText, []byte("hello"))
		c.Close(websocket.StatusNormalClosure, "")
	}))
	defer server.Close()

	ctx := context.Background()
	c, _, err := telemetry.Dial(ctx, server.URL, nil) // in place of websocket.Dial
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	_, p, _ := c.Read(ctx)
	fmt.Printf("%s\n", p)
	// Output: hello
}
