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

// A server of package websocket with compression survives everything, if its
// http.Server limits the time that a head may take. It survives long fields
// with a small head limit and with the default of net/http.
func TestAcceptSurvivesAttacks(t *testing.T) {
	for name, tt := range map[string]struct {
		maxHead int
		memory  int64 // net/http has several copies of a long line for a while
		filter  string
	}{
		"head of 16 KiB":  {16 << 10, 0, ""},
		"head by default": {0, 64 << 20, "^(offer-flood|long-fields|refused-body)$"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := wstest.Listen(nil)
				s := &http.Server{Handler: http.HandlerFunc(serveEcho), ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: tt.maxHead}
				done := make(chan error, 1)
				go func() { done <- s.Serve(l) }()
				defer func() {
					s.Close()
					require.ErrorIs(t, <-done, http.ErrServerClosed)
				}()
				o := &wstest.AttackOptions{Filter: tt.filter, Connections: 8, Patience: 12 * time.Second, InProcess: true, MaxMemory: tt.memory, Dial: l.DialContext}
				if race.Enabled {
					o.MaxMemory = 1 << 30
				}
				results, err := wstest.RunAttacks(t.Context(), "ws://server.example/", o)
				require.NoError(t, err)
				if tt.filter == "" {
					require.Len(t, results, len(wstest.Attacks()))
				}
				for _, r := range results {
					t.Logf("%s: slowest ping %v, heap %+d, after it %+d %s", r.Name, r.Slowest, r.Heap, r.HeapAfter, r.Detail)
					require.True(t, r.Survived, "%s: %s", r.Name, r.Detail)
				}
			})
		})
	}
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
