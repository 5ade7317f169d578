package ws_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/wskit/wskit/ws"
)

// A client offers two subprotocols and sends a token.
func ExampleDialer_Dial() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := ws.HTTPUpgrader{Protocol: func(p string) bool { return p == "chat.v1" }}
		conn, _, _, err := u.Upgrade(r, w)
		if err != nil {
			return
		}
		defer conn.Close()
		ws.WriteFrame(conn, ws.NewTextFrame([]byte(r.Header.Get("Authorization"))))
	}))
	defer srv.Close()

	d := ws.Dialer{
		Protocols: []string{"chat.v2", "chat.v1"},
		Header:    ws.HandshakeHeaderHTTP{"Authorization": {"Bearer secret"}},
	}
	conn, _, hs, err := d.Dial(context.Background(), srv.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	f, err := ws.ReadFrame(conn)
	fmt.Println(hs.Protocol, string(f.Payload), err)
	// Output: chat.v1 Bearer secret <nil>
}

// A client finds out why the server refuses it.
func ExampleConnectionRejectedError() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "log in first", http.StatusUnauthorized)
	}))
	defer srv.Close()

	_, _, _, err := ws.Dial(context.Background(), srv.URL)
	if refused, ok := errors.AsType[*ws.ConnectionRejectedError](err); ok {
		fmt.Println(refused.StatusCode(), refused.Header().Get("WWW-Authenticate"))
		fmt.Printf("%s", refused.Body())
	}
	// Output:
	// 401 Bearer
	// log in first
}

// The proxy refuses the connection. The server is not involved.
func ExampleProxyError() {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "not through here", http.StatusForbidden)
	}))
	defer proxy.Close()
	address, _ := url.Parse(proxy.URL)

	d := ws.Dialer{Proxy: http.ProxyURL(address)}
	_, _, _, err := d.Dial(context.Background(), "ws://server.example/")
	if blamed, ok := errors.AsType[*ws.ProxyError](err); ok {
		refused, _ := errors.AsType[*ws.ConnectionRejectedError](err)
		fmt.Println(blamed.Host == address.Host, refused.StatusCode(), blamed.Timeout())
	}
	// Output: true 403 false
}

// The state says which frames the peer may send now.
func ExampleState() {
	text := ws.Header{Fin: true, OpCode: ws.OpText, Length: 5} // not masked
	fmt.Println(ws.CheckHeader(text, ws.StateServerSide) == nil)
	fmt.Println(ws.CheckHeader(text, ws.StateClientSide) == nil)

	inside := ws.StateClientSide.Set(ws.StateFragmented) // a message is open
	fmt.Println(inside.ClientSide(), inside.Fragmented())
	fmt.Println(ws.CheckHeader(text, inside) == nil)
	// Output:
	// false
	// true
	// true true
	// false
}

// A compressed message has the bit RSV1 (RFC 7692, section 6).
func ExampleHeader() {
	wire := ws.AppendHeader(nil, ws.Header{Fin: true, Rsv: ws.Rsv(true, false, false), OpCode: ws.OpText, Length: 300})
	fmt.Printf("% x\n", wire)
	h, n, err := ws.ParseHeader(wire)
	fmt.Println(h.OpCode, h.Length, h.Rsv1(), h.Masked, n, err)
	// Output:
	// c1 7e 01 2c
	// text 300 true false 4 <nil>
}

func ExampleOpCode() {
	for _, op := range []ws.OpCode{ws.OpBinary, ws.OpPing, 0xb} {
		fmt.Println(op.IsData(), op.IsControl(), op.IsReserved())
	}
	// Output:
	// true false false
	// false true false
	// false true true
}

// A program may send its own codes from 3000 on. Some codes never appear in a frame.
func ExampleStatusCode() {
	for _, code := range []ws.StatusCode{ws.StatusGoingAway, ws.StatusAbnormalClosure, 4001} {
		fmt.Printf("%d %q sent: %t, dial again: %t\n", code, code.Name(), code.MayBeSent(), code.Retryable())
	}
	// Output:
	// 1001 "going away" sent: true, dial again: true
	// 1006 "abnormal closure" sent: false, dial again: true
	// 4001 "" sent: true, dial again: false
}
