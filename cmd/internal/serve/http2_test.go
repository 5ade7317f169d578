package serve

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/h2peer"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// WebSockets come over HTTP/2 as well, with and without TLS, and end with the server.
func TestHTTP2(t *testing.T) {
	for _, secure := range []bool{false, true} {
		serveInTime(t, func(o *options) { o.http2 = true }, secure, func(t *testing.T, s timed) {
			conn := net.Conn(s.dial())
			if secure {
				conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
			}
			client, err := h2peer.Open(conn)
			require.NoError(t, err)
			str, _, err := client.Open200("/echo")
			require.NoError(t, err)
			c, err := websocket.NewConn(str, nil, ws.Handshake{}, ws.StateClientSide, nil)
			require.NoError(t, err)
			time.Sleep(time.Hour) // longer than all timeouts of the server
			require.NoError(t, c.Write(context.Background(), websocket.MessageText, []byte("hello")))
			_, p, err := c.Read(context.Background())
			require.NoError(t, err)
			require.Equal(t, "hello", string(p))
			ended := make(chan error, 1)
			go func() { ended <- s.options.end(s.server, s.web, nil) }()
			_, _, err = c.Read(context.Background())
			require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err))
			require.NoError(t, <-ended)
		})
	}
}

// The log says whether WebSockets over HTTP/2 are on.
func TestLogHTTP2(t *testing.T) {
	for on, want := range map[bool]string{true: "WebSockets over HTTP/2 are on", false: ""} {
		var out strings.Builder
		s, err := newServer(&options{http2: on}, slog.New(slog.NewTextHandler(&out, nil)))
		require.NoError(t, err)
		s.logHTTP2(s.web(nil))
		require.Contains(t, out.String(), want)
		require.Equal(t, on, out.Len() > 0)
	}
}
