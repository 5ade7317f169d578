package wsh3

import (
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/h2peer"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// dialHTTP2 opens a WebSocket over HTTP/2.
func dialHTTP2(t testing.TB, s *server) *websocket.Conn {
	config := s.client.Clone()
	config.NextProtos = []string{"h2"}
	conn, err := tls.Dial("tcp", s.tcp.Listener.Addr().String(), config)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	client, err := h2peer.Open(conn)
	require.NoError(t, err)
	str, _, err := client.Open200("/")
	require.NoError(t, err)
	c, err := websocket.NewConn(str, nil, ws.Handshake{}, ws.StateClientSide, nil)
	require.NoError(t, err)
	t.Cleanup(func() { c.CloseNow() })
	return c
}
