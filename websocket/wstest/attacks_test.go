package wstest_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wstest"
)

// A server of package websocket with compression, and with the two limits that are
// net/http's to keep, survives everything.
func TestAcceptSurvivesAttacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := wstest.Listen(nil)
		s := &http.Server{Handler: http.HandlerFunc(serveEcho), ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}
		done := make(chan error, 1)
		go func() { done <- s.Serve(l) }()
		defer func() {
			s.Close()
			require.ErrorIs(t, <-done, http.ErrServerClosed)
		}()
		o := &wstest.AttackOptions{Connections: 8, Patience: 12 * time.Second, InProcess: true, Dial: l.DialContext}
		if race.Enabled {
			o.MaxMemory = 1 << 30
		}
		results, err := wstest.RunAttacks(t.Context(), "ws://server.example/", o)
		require.NoError(t, err)
		require.Len(t, results, len(wstest.Attacks()))
		for _, r := range results {
			t.Logf("%s: slowest ping %v, heap %+d, after it %+d", r.Name, r.Slowest, r.Heap, r.HeapAfter)
			require.True(t, r.Survived, "%s: %s", r.Name, r.Detail)
		}
	})
}

func serveEcho(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover})
	if err != nil {
		return
	}
	defer c.CloseNow()
	for m, err := range c.Messages(r.Context()) {
		if err != nil || c.Write(r.Context(), m.Type, m.Data) != nil {
			return
		}
	}
}
