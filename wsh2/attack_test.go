package wsh2_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wstest"
	"github.com/wskit/wskit/websocket/xconnect"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsh2"
)

// A server of package websocket survives hostile streams, and serves the honest
// ones of the same connection.
func TestServerSurvivesAttacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := wstest.Listen(nil)
		var protocols http.Protocols
		protocols.SetUnencryptedHTTP2(true)
		srv := &http.Server{Protocols: &protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover})
			if err == nil {
				defer c.CloseNow()
				echo(c, r.WithContext(context.Background())) // a lock is held for the wait for a handler, which synctest takes for work
			}
		})}
		xconnect.Configure(srv)
		served := make(chan error, 1)
		go func() { served <- srv.Serve(l) }()
		tr := &wsh2.Transport{Cleartext: true, Dialer: ws.Dialer{NetDial: l.DialContext}}
		defer func() {
			tr.Close()
			srv.Close()
			require.ErrorIs(t, <-served, http.ErrServerClosed)
			time.Sleep(time.Minute) // in which the last handlers find out that their streams are over
		}()
		o := &wstest.AttackOptions{Connections: 8, Patience: 12 * time.Second, Transport: tr}
		if race.Enabled { // where frames take a hundred times as long
			o.Filter = "^(slow-loris|half-open|byte-per-packet|after-close)$"
		} else {
			o.InProcess = true
			o.MaxMemory = 96 << 20 // both ends have several copies of 900 KB for a while
			o.MaxLeft = 8 << 20    // HPACK keeps room for the largest field
		}
		results, err := wstest.RunAttacks(t.Context(), "ws://server.example/", o)
		require.NoError(t, err)
		for _, r := range results {
			if r.Skipped != "" {
				require.Contains(t, r.Skipped, "HTTP/1.1", r.Name)
				continue
			}
			t.Logf("%s: slowest ping %v, heap %+d, after it %+d, refused %d", r.Name, r.Slowest, r.Heap, r.HeapAfter, r.Refused)
			require.True(t, r.Survived, "%s: %s", r.Name, r.Detail)
		}
	})
}
