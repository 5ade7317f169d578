// Package looptest tests the event loops.
package looptest

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/examples/internal/program"
	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wstest"
	"github.com/wskit/wskit/ws"
)

// Test tests the echo server at addr.
func Test(t *testing.T, addr string) {
	t.Run("conformance", func(t *testing.T) {
		filter := `^(request|length/split|fragment|interleave|ping|utf8/(valid|cut)|close)/`
		if race.Enabled {
			filter = `^(ping|close)/`
		}
		r, err := wstest.RunServer(t.Context(), "ws://"+addr, &wstest.Options{Filter: filter, MaxMessage: 64 << 10})
		require.NoError(t, err)
		for _, res := range r.Agents[0].Results {
			require.NotEqual(t, wstest.Failed, res.Verdict, "%s: %s", res.ID, res.Detail)
		}
		require.Greater(t, r.Agents[0].Counts.Strict, 100)
	})
	t.Run("many", func(t *testing.T) {
		var all sync.WaitGroup
		for range 50 {
			c := program.Dial(t, "ws://"+addr, &websocket.DialOptions{ConnOptions: websocket.ConnOptions{ReadLimit: 64 << 10}})
			all.Go(func() {
				for _, n := range []int{0, 5, 125, 30000, 60000} {
					text := strings.Repeat("x", n)
					if c.Write(t.Context(), websocket.MessageText, []byte(text)) != nil {
						t.Error("a write fails")
						return
					}
					if _, p, err := c.Read(t.Context()); err != nil || string(p) != text {
						t.Errorf("%d bytes do not come back: %v", n, err)
						return
					}
				}
			})
		}
		all.Wait()
	})
	t.Run("client that does not read", func(t *testing.T) {
		conn, _, _, err := ws.Dial(t.Context(), "ws://"+addr)
		require.NoError(t, err)
		defer conn.Close()
		conn.(*net.TCPConn).SetReadBuffer(1 << 12)
		conn.SetWriteDeadline(time.Now().Add(20 * time.Second))
		frame := ws.AppendFrame(nil, ws.MaskFrame(ws.NewBinaryFrame(make([]byte, 60000))))
		for err == nil { // until the server disconnects it
			_, err = conn.Write(frame)
		}
		ne, ok := err.(net.Error)
		require.False(t, ok && ne.Timeout(), "the server takes no more, and lets the client wait")
		program.Echo(t, program.Dial(t, "ws://"+addr, nil), "and others are served")
	})
}
