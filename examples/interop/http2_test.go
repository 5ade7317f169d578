package interop

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsh2"
)

// http2Proxies stand before a server of HTTP/1.1, and speak HTTP/2 without TLS
// to us.
var http2Proxies = []proxy{
	{name: "haproxy", config: `
defaults
	mode http
	timeout connect 10s
	timeout client 60s
	timeout server 60s
	timeout tunnel IDLE
frontend in
	bind LISTEN proto h2
	default_backend out
backend out
	server one SERVER
`, args: func(config, _ string) []string { return []string{"-db", "-f", config} }},
	{name: "nghttpx", config: `
frontend=127.0.0.1,PORT;no-tls
backend=127.0.0.1,SERVERPORT
workers=1
errorlog-file=/dev/stderr
`, args: func(config, _ string) []string { return []string{"--conf=" + config} }},
}

// TestHTTP2Proxies has our client talk over HTTP/2 to a proxy, and that over
// HTTP/1.1 to our server (RFC 8441).
func TestHTTP2Proxies(t *testing.T) {
	for _, p := range http2Proxies {
		t.Run(p.name, func(t *testing.T) {
			server, ended := serveProxied(t)
			addr := p.start(t, server, patience)
			tr := &wsh2.Transport{Cleartext: true}
			defer tr.Close()
			via := &via{base: "ws://" + addr, http2: tr, ended: ended}
			t.Run("messages", via.messages)
			t.Run("ping", via.ping)
			t.Run("close by us", via.closeByClient)
			t.Run("close by the server", via.closeByServer)
			t.Run("refused", via.refused)
		})
	}
}

// TestHTTP2Node has our client talk to node:http2.
func TestHTTP2Node(t *testing.T) {
	r := runtime{name: "node with http2", program: node("ws"), server: []string{"http2.mjs"}}
	p := r.start(t, r.server)
	tr := &wsh2.Transport{Cleartext: true}
	defer tr.Close()
	base := "ws://127.0.0.1:" + p.port(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	opts := &websocket.DialOptions{Transport: tr, Subprotocols: []string{"other", "echo"}, ConnOptions: websocket.ConnOptions{ReadLimit: -1}}

	c, resp, err := websocket.Dial(ctx, base+"/echo", opts)
	require.NoError(t, err)
	require.Equal(t, "HTTP/2.0", resp.Proto)
	require.Equal(t, "echo", c.Subprotocol())
	for _, size := range []int{0, 125, 126, 65536, 4 << 20} {
		echoed(ctx, t, c, bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size])
	}
	require.NoError(t, c.Close(4002, "done"))
	require.Equal(t, "closed 4002 done", p.line(t))

	c, _, err = websocket.Dial(ctx, base+"/echo", opts)
	require.NoError(t, err)
	require.NoError(t, c.Write(ctx, websocket.MessageText, []byte("close")))
	_, _, err = c.Read(ctx)
	var e websocket.CloseError
	require.ErrorAs(t, err, &e)
	require.Equal(t, websocket.CloseError{Code: 4001, Reason: "bye €"}, e)
	require.Equal(t, "closed 4001 bye €", p.line(t))

	c, _, err = websocket.Dial(ctx, base+"/ping", opts)
	require.NoError(t, err)
	_, text, err := c.Read(ctx)
	require.NoError(t, err)
	require.Equal(t, "pong from the server", string(text))
	ctx2 := c.CloseRead(ctx)
	require.NoError(t, c.Ping(ctx2))
	c.CloseNow() // with RST_STREAM

	_, _, err = websocket.Dial(ctx, base+"/refuse", opts)
	var status ws.StatusError
	require.ErrorAs(t, err, &status)
	require.Equal(t, 403, int(status))
}
