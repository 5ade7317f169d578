package bench

import (
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket/wstest"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// inMemory is a dial to a server that handles each connection with serve.
func inMemory(serve func(net.Conn)) func(context.Context, int) (net.Conn, ws.Handshake, error) {
	return func(context.Context, int) (net.Conn, ws.Handshake, error) {
		client, server := wstest.Pipe(nil)
		go func() { defer server.Close(); serve(server) }()
		return client, ws.Handshake{}, nil
	}
}

// slowEcho sends each message back after a pause.
func slowEcho(pause time.Duration) func(net.Conn) {
	return func(conn net.Conn) {
		for {
			p, op, err := wsutil.ReadClientData(conn)
			if err != nil {
				return
			}
			time.Sleep(pause)
			if wsutil.WriteServerMessage(conn, op, p) != nil {
				return
			}
		}
	}
}

// There is a line for each second, with what that second has measured.
func TestJSONLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config{
			connections: 2, pipeline: 1, duration: 3500 * time.Millisecond, patience: time.Minute, atOnce: 2,
			slice: lineTime, dial: inMemory(slowEcho(30 * time.Millisecond)),
		}
		c.mix.op = ws.OpText
		require.NoError(t, c.mix.parseSizes("8"))
		var b strings.Builder
		l := newLoad(c)
		l.run(t.Context(), newLines(&b))
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		require.Len(t, lines, 3)
		for i, text := range lines {
			var line Line
			require.NoError(t, json.Unmarshal([]byte(text), &line))
			require.Equal(t, "progress", line.Type)
			require.InDelta(t, float64(i+1), line.At, 1e-6)
			require.Equal(t, 2, line.Open)
			require.InDelta(t, 66, float64(line.PerSecond), 2)
			require.InDelta(t, 30_000, line.P50, 100)
			require.InDelta(t, 66*(i+1), float64(line.Received), 2)
			require.Zero(t, line.Errors)
		}
	})
}
