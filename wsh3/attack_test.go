package wsh3

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wstest"
)

// A server survives hostile streams, and serves the honest ones of the same connection.
func TestServerSurvivesAttacks(t *testing.T) {
	for how, accept := range accepts {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *lan) {
				_, end := n.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					c, err := accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover})
					if err == nil {
						defer c.CloseNow()
						echo(c)
					}
				}))
				defer end()
				tr := n.transport(new(Transport))
				defer tr.Close()
				o := &wstest.AttackOptions{Connections: 8, Patience: 12 * time.Second, Transport: tr}
				switch {
				case race.Enabled: // where frames take a hundred times as long
					o.Filter = "^(half-open|byte-per-packet|after-close)$"
				case how != "taken over": // what comes after the handshake differs
					o.Filter = "^(declared-length|ping-flood|never-read|bomb|half-open|byte-per-packet|after-close|linger|reset)$"
					fallthrough
				default:
					o.InProcess = true
					o.MaxMemory = 96 << 20 // both ends have several copies of 900 KB for a while
					o.MaxLeft = 8 << 20
				}
				results, err := wstest.RunAttacks(t.Context(), "wss://example.com/", o)
				require.NoError(t, err)
				for _, r := range results {
					if r.Skipped != "" {
						require.Contains(t, r.Skipped, "HTTP/1.1", r.Name)
						continue
					}
					t.Logf("%s: took %v, slowest ping %v, heap %+d, after it %+d, refused %d", r.Name, r.Duration, r.Slowest, r.Heap, r.HeapAfter, r.Refused)
					require.True(t, r.Survived, "%s: %s", r.Name, r.Detail)
				}
			})
		})
	}
}
