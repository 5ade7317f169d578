package wsh3_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"

	"github.com/quic-go/quic-go/http3"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/wsh3"
)

// One handler serves all versions of HTTP. The connection outlives the handler,
// even over HTTP/3.
func Example() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := wsh3.Accept(w, r, nil)
		if err != nil {
			return // Accept has answered the client
		}
		go func() {
			defer c.CloseNow()
			c.Write(context.Background(), websocket.MessageText, fmt.Appendf(nil, "hello over HTTP/%d", r.ProtoMajor))
			c.Read(context.Background()) // the close frame
		}()
	})
	cert, trusting := certificate()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := &http3.Server{
		Handler:    handler,
		TLSConfig:  http3.ConfigureTLSConfig(&tls.Config{Certificates: cert}),
		QUICConfig: wsh3.QUICConfig(),
	}
	go srv.Serve(conn)
	defer srv.Close()

	transport := &wsh3.Transport{TLSConfig: trusting}
	defer transport.Close()
	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, "wss://"+conn.LocalAddr().String()+"/", &websocket.DialOptions{Transport: transport})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close(websocket.StatusNormalClosure, "")
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err)
	// Output: hello over HTTP/3 <nil>
}

// certificate returns a certificate for this machine, and a configuration that
// trusts it.
func certificate() ([]tls.Certificate, *tls.Config) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return s.TLS.Certificates, s.Client().Transport.(*http.Transport).TLSClientConfig
}
