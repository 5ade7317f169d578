package wsh3

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wstest"
)

// Our server passes over HTTP/3 what it passes over HTTP/1.1.
func TestServerOverHTTP3_RFC9220(t *testing.T) {
	opts := &websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover, ConnOptions: websocket.ConnOptions{ReadLimit: 1 << 20}}
	s := serve(t, echoing(Accept, false, opts), QUICConfig())
	o := &wstest.Options{Transport: s.transport(t), MaxMessage: 1 << 20, RequireCompression: true, Timeout: 2 * time.Minute}
	if race.Enabled { // where frames take a hundred times as long
		o.Filter = "^(close|fragment|opcode|ping|pong|request|rsv|stream)/"
	}
	r, err := wstest.RunServer(t.Context(), s.url, o)
	require.NoError(t, err)
	skipped := 0
	for _, result := range r.Agents[0].Results {
		switch result.Verdict {
		case wstest.Failed:
			t.Errorf("%s: %s", result.Case.ID, result.Detail)
		case wstest.Skipped:
			skipped++
			require.True(t, strings.HasPrefix(result.Case.ID, "request/") || strings.Contains(result.Detail, "larger"), "%s: %s", result.Case.ID, result.Detail)
		}
	}
	require.Less(t, skipped, 250)
}

// Our client passes over HTTP/3 what it passes over HTTP/1.1.
func TestClientOverHTTP3_RFC9220(t *testing.T) {
	var s *server
	var tr *Transport
	o := &wstest.Options{MaxMessage: 1 << 20, RequireCompression: true, Timeout: 2 * time.Minute}
	o.Filter = "^(client|close|deflate/[^b]|fragment|frame|limit|opcode|ping|pong|response|rsv|state|utf8)"
	if race.Enabled { // where frames take a hundred times as long
		o.Filter = "^(client|close|ping|response|rsv)/"
	}
	o.Serve = func(handler http.Handler) (string, func(), error) {
		s = serve(t, handler.ServeHTTP, QUICConfig())
		tr = s.transport(t)
		return s.url, func() {}, nil
	}
	report, err := wstest.RunClient(t.Context(), func(base string) error {
		return wstest.DriveClientOver(t.Context(), tr, base, 16, func(ctx context.Context, url string) error {
			c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
				Transport: tr, CompressionMode: websocket.CompressionContextTakeover, ConnOptions: websocket.ConnOptions{ReadLimit: 1 << 20},
			})
			if err != nil {
				return err
			}
			defer c.CloseNow()
			return echo(c)
		})
	}, o)
	require.NoError(t, err)
	for _, r := range report.Agents[0].Results {
		if r.Verdict == wstest.Failed {
			t.Errorf("%s: %s", r.Case.ID, r.Detail)
		}
	}
	require.Greater(t, report.Agents[0].Counts.Strict, 150)
}
