package serve

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
)

// /echo of --loop is that of the other server: sizes, compression, limits, counters and
// the end.
func TestLoop(t *testing.T) {
	o := &options{onLoop: true, compress: "takeover", maxMessage: 1 << 20, maxConnections: 1, subprotocols: []string{"chat"}}
	s, err := newServer(o, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	web := httptest.NewServer(s.handler())
	defer web.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	url := "ws" + strings.TrimPrefix(web.URL, "http") + "/echo"

	_, _, err = websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"http://evil.example"}}})
	require.ErrorContains(t, err, "403")

	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		Subprotocols: []string{"chat"}, CompressionMode: websocket.CompressionContextTakeover,
	})
	require.NoError(t, err)
	defer c.CloseNow()
	require.Equal(t, "chat", c.Subprotocol())
	c.SetReadLimit(-1)
	for _, n := range []int{0, 5, 100_000, 1 << 20} {
		require.NoError(t, c.Write(ctx, websocket.MessageText, []byte(strings.Repeat("x", n))))
		_, p, err := c.Read(ctx)
		require.NoError(t, err)
		require.Len(t, p, n)
	}
	_, _, err = websocket.Dial(ctx, url, nil)
	require.ErrorContains(t, err, "503")

	resp, err := http.Get(web.URL + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	figures, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(figures), "wskit_loop_messages_in 4\n")

	closed := make(chan error, 1)
	go func() { _, _, err := c.Read(ctx); closed <- err }()
	require.NoError(t, s.loop.Shutdown(ctx))
	require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(<-closed))
	require.Zero(t, s.open.Load())
}

func TestLoopFlags(t *testing.T) {
	o := &options{addr: ":0", compress: "off", logFormat: "text", shutdown: 1, onLoop: true, origins: []string{"a.example"}}
	require.ErrorContains(t, o.check(), "--loop takes --any-origin")
}
