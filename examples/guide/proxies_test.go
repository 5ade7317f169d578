package guide_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

func behindProxies() *websocket.AcceptOptions {
	options := &websocket.AcceptOptions{
		Proxies: &ws.Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	}
	options.KeepAlive = 25 * time.Second // below the shortest idle timeout on the way
	return options
}

func Example_proxies() {
	options := behindProxies()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, options)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.Write(r.Context(), websocket.MessageText, []byte(c.RemoteAddr().String()))
		c.Close(websocket.StatusNormalClosure, "")
	}))
	defer server.Close()
	// What a proxy on this machine sends for a client at 192.0.2.7 that has made up an
	// address of its own.
	fmt.Println(greeting(server.URL, &websocket.DialOptions{
		HTTPHeader: http.Header{"X-Forwarded-For": {"10.1.1.1, 192.0.2.7"}},
	}))
	// Output: 192.0.2.7:0
}

func Example_knownHosts() {
	options := &websocket.AcceptOptions{Hosts: []string{"app.example"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := websocket.Accept(w, r, options); err == nil {
			c.CloseNow()
		}
	}))
	defer server.Close()
	_, response, _ := websocket.Dial(context.Background(), server.URL, &websocket.DialOptions{Host: "rebound.example"})
	fmt.Println(response.StatusCode)
	// Output: 421
}
