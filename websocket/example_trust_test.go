package websocket_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// A script in a browser can send a token only as a subprotocol.
func ExampleTakeToken() {
	url, stop := serve(func(w http.ResponseWriter, r *http.Request) {
		token, ok := websocket.TakeToken(r, "bearer.")
		if !ok || token != "dG9rZW4" {
			http.Error(w, "a token is needed", http.StatusUnauthorized)
			return
		}
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"chat.v2"}, RequireSubprotocol: true})
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.Close(websocket.StatusNormalClosure, "")
	})
	defer stop()

	c, _, err := websocket.Dial(context.Background(), url, &websocket.DialOptions{Subprotocols: []string{"chat.v2", "bearer.dG9rZW4"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	fmt.Println(c.Subprotocol())
	// Output:
	// chat.v2
}

// A server runs behind a reverse proxy on the same machine. It has one list of
// trusted origins for its pages and its WebSockets.
func ExampleAccept_proxy() {
	protection := http.NewCrossOriginProtection()
	protection.AddTrustedOrigin("https://app.example")
	opts := &websocket.AcceptOptions{
		CrossOrigin: protection,
		Proxies:     &ws.Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}},
		OnHandshake: func(r *http.Request, _ http.Header) error {
			fmt.Println(r.RemoteAddr, r.URL)
			return nil
		},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/chat", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, opts)
		if err != nil {
			return
		}
		c.Close(websocket.StatusNormalClosure, "")
	})
	url, stop := serve(protection.Handler(mux).ServeHTTP)
	defer stop()

	c, _, err := websocket.Dial(context.Background(), url+"/chat", &websocket.DialOptions{HTTPHeader: http.Header{
		"Origin":            {"https://app.example"}, // as sent by a browser and the proxy
		"X-Forwarded-For":   {"192.0.2.7"},
		"X-Forwarded-Proto": {"https"},
		"X-Forwarded-Host":  {"chat.example"},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	c.CloseNow()
	// Output:
	// 192.0.2.7:0 https://chat.example/chat
}

// Retryable reports whether it makes sense to dial again.
func ExampleRetryable() {
	for _, err := range []error{
		websocket.CloseError{Code: websocket.StatusServiceRestart},
		websocket.CloseError{Code: websocket.StatusPolicyViolation},
		ws.StatusError(http.StatusServiceUnavailable),
		ws.StatusError(http.StatusNotFound),
		context.Canceled,
	} {
		fmt.Println(websocket.Retryable(err), err)
	}
	// Output:
	// true status = StatusServiceRestart and reason = ""
	// false status = StatusPolicyViolation and reason = ""
	// true ws: unexpected HTTP response status: 503 Service Unavailable
	// false ws: unexpected HTTP response status: 404 Not Found
	// false context canceled
}
