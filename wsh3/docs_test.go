package wsh3_test

import (
	"context"
	"crypto/tls"
	"log"
	"net/http"

	"github.com/quic-go/quic-go/http3"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/xconnect"
	"github.com/wskit/wskit/wsh2"
	"github.com/wskit/wskit/wsh3"
)

// The code of docs/http2.md, so that the compiler sees it.
var _ = []any{announce, announceHTTP3, handleStream, dialHTTP2, shutDownAll}

func announce(mux http.Handler) {
	srv := &http.Server{Handler: mux}
	xconnect.Configure(srv) // receive windows, and the field of http.HTTP2Config in Go releases that have one
	if err := xconnect.Check(srv); err != nil {
		log.Print(err) // says what is off
	}
	srv.ListenAndServeTLS("cert.pem", "key.pem")
}

func announceHTTP3(mux http.Handler, config *tls.Config) *http3.Server {
	h3 := &http3.Server{Handler: mux, TLSConfig: http3.ConfigureTLSConfig(config), QUICConfig: wsh3.QUICConfig()}
	return h3
}

func handleStream(w http.ResponseWriter, r *http.Request, serve func(*websocket.Conn)) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // the client has its answer
	}
	defer c.CloseNow()
	serve(c) // not: go serve(c)
}

func dialHTTP2(ctx context.Context) (*websocket.Conn, error) {
	transport := new(wsh2.Transport) // or a wsh3.Transport
	defer transport.Close()
	c, _, err := websocket.Dial(ctx, "wss://example.com/chat", &websocket.DialOptions{Transport: transport, Fallback: true})
	return c, err
}

func shutDownAll(ctx context.Context, srv *http.Server, h3 *http3.Server) {
	group := new(websocket.Group) // in ConnOptions of all connections
	srv.RegisterOnShutdown(func() { group.Shutdown(ctx) })

	srv.Shutdown(ctx)   // HTTP/1.1 and HTTP/2: begins group.Shutdown, waits for handlers
	group.Shutdown(ctx) // waits for what was hijacked, and for HTTP/3
	h3.Shutdown(ctx)    // the connections of HTTP/3, whose clients close them
}
