package serve

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// TestQueue has the bounds that the flag stands for.
func TestQueue(t *testing.T) {
	for backlog, want := range map[int]websocket.SendQueueOptions{
		0:       {MaxBytes: 2 << 20, MaxMessages: 4096},
		4 << 20: {MaxBytes: 8 << 20, MaxMessages: 16384},
		100:     {MaxBytes: 2 * maxSaid, MaxMessages: 2},
		-1:      {MaxBytes: -1, MaxMessages: -1},
	} {
		require.Equal(t, want, (&options{maxBacklog: backlog}).queue())
	}
}

// TestLockStep has members that answer each message, all as long as they may be: none is
// too slow.
func TestLockStep(t *testing.T) {
	for endpoint, size := range map[string]int{"broadcast": 1 << 20, "chat": maxChatText} {
		_, web := startServer(t, nil)
		conn, _, err := websocket.Dial(t.Context(), web.URL+"/"+endpoint, &websocket.DialOptions{ConnOptions: websocket.ConnOptions{ReadLimit: -1}})
		require.NoError(t, err)
		defer conn.CloseNow()
		for range 30 {
			require.NoError(t, conn.Write(t.Context(), websocket.MessageText, make([]byte, size)))
			for back := 0; back < size; {
				_, p, err := conn.Read(t.Context())
				require.NoError(t, err)
				back = len(p)
			}
		}
	}
}

// TestDeafMembers opens a connection that reads nothing, and another one that sends
// and reads: the first one is closed, and counted.
func TestDeafMembers(t *testing.T) {
	for _, tt := range []struct {
		endpoint string
		size     int
	}{{"broadcast", 1 << 20}, {"chat", 64 << 10}} {
		t.Run(tt.endpoint, func(t *testing.T) {
			_, web := startServer(t, func(o *options) { o.shutdown = 100 * time.Millisecond })
			url := "ws" + strings.TrimPrefix(web.URL, "http") + "/" + tt.endpoint
			deaf, _, _, err := ws.Dial(t.Context(), url)
			require.NoError(t, err)
			defer deaf.Close()
			good, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{ConnOptions: websocket.ConnOptions{ReadLimit: -1}})
			require.NoError(t, err)
			defer good.CloseNow()
			counted := fmt.Sprintf("\nwskit_slow_members_total{endpoint=%q} 1\n", tt.endpoint)
			for range 10_000 {
				require.NoError(t, good.Write(t.Context(), websocket.MessageText, make([]byte, tt.size)))
				for back := 0; back < tt.size; { // and not, say, who has joined
					_, p, err := good.Read(t.Context())
					require.NoError(t, err)
					back = len(p)
				}
				if _, metrics := get(t, web.URL+"/metrics"); strings.Contains(metrics, counted) {
					return
				}
			}
			t.Fatal("the deaf member is never closed")
		})
	}
}

// TestChatLimit has texts at the limit of the chat, and of --max-message where that
// is less.
func TestChatLimit(t *testing.T) {
	for maxMessage, limit := range map[int64]int{-1: maxChatText, 16 << 20: maxChatText, 100: 100} {
		_, web := startServer(t, func(o *options) { o.maxMessage = maxMessage })
		conn, _, err := websocket.Dial(t.Context(), web.URL+"/chat", &websocket.DialOptions{ConnOptions: websocket.ConnOptions{ReadLimit: -1}})
		require.NoError(t, err)
		defer conn.CloseNow()
		_, _, err = conn.Read(t.Context()) // who has joined
		require.NoError(t, err)
		require.NoError(t, conn.Write(t.Context(), websocket.MessageText, make([]byte, limit)))
		_, p, err := conn.Read(t.Context())
		require.NoError(t, err)
		require.Greater(t, len(p), 6*limit)
		conn.Write(t.Context(), websocket.MessageText, make([]byte, limit+1))
		_, _, err = conn.Read(t.Context())
		require.Equal(t, websocket.StatusMessageTooBig, websocket.CloseStatus(err))
	}
}
