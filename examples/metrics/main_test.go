package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/examples/internal/program"
	"github.com/wskit/wskit/websocket"
)

func TestMetrics(t *testing.T) {
	addr := program.Start(t, newServer().run)
	c := program.Dial(t, "ws://"+addr+"/echo", nil)
	program.Echo(t, c, "hello")
	_, _, err := websocket.Dial(t.Context(), "ws://"+addr+"/echo", &websocket.DialOptions{
		HTTPHeader: http.Header{"Origin": {"http://evil.example"}},
	})
	require.Error(t, err)
	require.NoError(t, program.Dial(t, "ws://"+addr+"/echo", nil).Close(4001, ""))

	for _, line := range []string{
		`websocket_connections{endpoint="echo"} 1`,
		`websocket_connections_opened_total{endpoint="echo"} 2`,
		`websocket_handshakes_refused_total{endpoint="echo",status="403"} 1`,
		`websocket_messages_total{direction="received",endpoint="echo"} 1`,
		`websocket_message_bytes_total{direction="sent",endpoint="echo"} 5`,
		`websocket_close_frames_total{code="4001",direction="received",endpoint="echo"} 1`,
		`websocket_connection_duration_seconds_count{endpoint="echo"} 1`,
	} {
		require.Eventually(t, func() bool { return strings.Contains(scrape(t, addr), line+"\n") }, 20*time.Second, 10*time.Millisecond, line)
	}
}

func scrape(t *testing.T, addr string) string {
	resp, err := http.Get("http://" + addr + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	p, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(p)
}
