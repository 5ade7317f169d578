// Package frameworktest tests the servers with web frameworks.
package frameworktest

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/examples/internal/program"
	"github.com/wskit/wskit/websocket"
)

// Timeout is the limit of requests in tests.
const Timeout = 100 * time.Millisecond

// Test tests a server: /page is compressed, /slow exceeds the timeout, and /ws
// echoes without a limit.
func Test(t *testing.T, run func(context.Context, net.Listener, time.Duration) error) {
	addr, stop := program.StartStop(t, func(ctx context.Context, ln net.Listener) error { return run(ctx, ln, Timeout) })
	t.Cleanup(stop)
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	get := func(path string) *http.Response {
		r, err := http.NewRequest("GET", "http://"+addr+path, nil)
		require.NoError(t, err)
		r.Header.Set("Accept-Encoding", "gzip")
		resp, err := client.Do(r)
		require.NoError(t, err)
		resp.Body.Close()
		return resp
	}
	require.Equal(t, "gzip", get("/page").Header.Get("Content-Encoding"))
	require.GreaterOrEqual(t, get("/slow").StatusCode, 400, "the timeout middleware is at work")

	c := program.Dial(t, "ws://"+addr+"/ws", &websocket.DialOptions{
		HTTPHeader:      http.Header{"Accept-Encoding": {"gzip"}}, // as browsers do
		CompressionMode: websocket.CompressionContextTakeover,
		ConnOptions:     websocket.ConnOptions{ReadLimit: 1 << 20},
	})
	program.Echo(t, c, "hello")
	time.Sleep(2 * Timeout) // must be shorter than the life of the connection
	program.Echo(t, c, strings.Repeat("longer than the timeout ", 1000))
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))

	resp := get("/ws")
	require.Equal(t, http.StatusUpgradeRequired, resp.StatusCode, "a plain request")
	require.Equal(t, "13", resp.Header.Get("Sec-WebSocket-Version"))
	_, _, err := websocket.Dial(t.Context(), "ws://"+addr+"/ws", &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"http://evil.example"}}})
	require.Error(t, err)

	// The server stops while a connection is open, and closes it properly.
	open := program.Dial(t, "ws://"+addr+"/ws", nil)
	program.Echo(t, open, "still here")
	go stop()
	_, _, err = open.Read(t.Context())
	require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err))
	stop()
}
