package wsbridge_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/wsbridge"
)

// A reverse proxy forwards WebSockets of all versions of HTTP to a backend that
// supports only HTTP/1.1. All other requests go through
// [net/http/httputil.ReverseProxy].
func ExampleHandler() {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.Write(r.Context(), websocket.MessageText, []byte("for "+r.Header.Get("X-Forwarded-For")+" at "+r.URL.Path))
		c.Close(websocket.StatusNormalClosure, "")
	}))
	defer backend.Close()

	proxy := httptest.NewServer(&wsbridge.Handler{
		Backend: func(r *http.Request) (*url.URL, error) { return url.Parse(backend.URL + r.URL.RequestURI()) },
		Rewrite: func(r *http.Request, h http.Header) { h.Set("X-Forwarded-For", "192.0.2.1") },
		OnError: func(r *http.Request, err error) { log.Print(err) },
	})
	defer proxy.Close()

	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, proxy.URL+"/chat", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow()
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err)
	// Output: for 192.0.2.1 at /chat <nil>
}
