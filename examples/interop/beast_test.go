package interop

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/examples/echo"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/wsflate"
)

// startBeast runs the peer on Boost.Beast.
func startBeast(t *testing.T, args ...string) *peer {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", "beast"))
	require.NoError(t, err)
	_, err = os.Stat(path)
	need(t, err == nil, "the peer on Boost.Beast")
	return startPeer(t, "beast", path, args...)
}

// TestServerBeast has Beast compress for our server with windows of 9 bits,
// which zlib cannot do.
func TestServerBeast(t *testing.T) {
	for name, mode := range compressionModes {
		t.Run(name, func(t *testing.T) {
			addr, _ := startServer(t, func(s *echo.Server, ctx context.Context, ln net.Listener) error {
				s.Compression = mode
				return s.ServeConns(ctx, ln)
			})
			host, port, _ := net.SplitHostPort(addr)
			p := startBeast(t, "client", host, port, "/ws")
			agreed := p.line(t)
			require.Contains(t, agreed, "server_max_window_bits=9")
			require.Contains(t, agreed, "client_max_window_bits=9")
			for _, size := range []string{"0", "125", "126", "65536", "1048576"} {
				require.Equal(t, "same "+size, p.line(t))
			}
			require.Equal(t, "closed", p.line(t))
		})
	}
}

// TestClientBeast has our client compress for Beast, which declines compression
// if it may not ask for a window.
func TestClientBeast(t *testing.T) {
	p := startBeast(t, "server")
	url := "ws://127.0.0.1:" + p.port(t) + "/"
	for name, mode := range compressionModes {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			none := mode == websocket.CompressionNoContextTakeover
			c, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{
				CompressionMode: mode, CompressionThreshold: 1,
				CompressionPolicy: &wsflate.Parameters{
					ServerNoContextTakeover: none, ClientNoContextTakeover: none, ClientMaxWindowBits: wsflate.AnyWindowBits,
				},
			})
			require.NoError(t, err)
			defer c.CloseNow()
			agreed := resp.Header.Get("Sec-WebSocket-Extensions")
			require.Contains(t, agreed, "server_max_window_bits=9")
			require.Contains(t, agreed, "client_max_window_bits=9")
			c.SetReadLimit(-1)
			for _, text := range []string{"", "short", strings.Repeat("again and again, ", 1000), strings.Repeat("again and again, ", 1000), strings.Repeat("x", 1<<20)} {
				require.NoError(t, c.Write(ctx, websocket.MessageText, []byte(text)))
				_, got, err := c.Read(ctx)
				require.NoError(t, err)
				require.True(t, bytes.Equal([]byte(text), got))
			}
			require.NoError(t, c.Close(websocket.StatusNormalClosure, "bye"))
			require.Equal(t, "closed 1000 bye", p.line(t))
		})
	}
}
