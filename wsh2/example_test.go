package wsh2_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/wskit/wskit/websocket"
	_ "github.com/wskit/wskit/websocket/xconnect"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsh2"
)

// Two WebSockets share one connection. If a server does not support WebSockets
// over HTTP/2, Fallback makes Dial use HTTP/1.1.
func ExampleTransport() {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		c.Write(r.Context(), websocket.MessageText, []byte("you use "+r.Proto))
		c.Close(websocket.StatusNormalClosure, "")
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()

	transport := &wsh2.Transport{Dialer: ws.Dialer{TLSConfig: server.Client().Transport.(*http.Transport).TLSClientConfig}}
	defer transport.Close()
	for range 2 {
		ctx := context.Background()
		c, _, err := websocket.Dial(ctx, server.URL, &websocket.DialOptions{Transport: transport, Fallback: true})
		if err != nil {
			log.Fatal(err)
		}
		_, p, err := c.Read(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(p))
		c.Close(websocket.StatusNormalClosure, "")
	}
	// Output:
	// you use HTTP/2.0
	// you use HTTP/2.0
}
