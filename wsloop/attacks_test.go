package wsloop

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/websocket/wstest"
	"github.com/wskit/wskit/wsflate"
)

// All attacks, in memory and with a clock that takes no time.
func TestAttacks(t *testing.T) {
	if race.Enabled {
		t.Skip("what is measured is spoilt by the race detector")
	}
	synctest.Test(t, func(t *testing.T) {
		s, err := New(attacked(&Config{Goroutines: true}), echo())
		require.NoError(t, err)
		defer s.Close()
		l := wstest.Listen(nil)
		go s.Serve(l)
		results, err := wstest.RunAttacks(t.Context(), "ws://example.com/", &wstest.AttackOptions{
			Connections: 8, Patience: 12 * time.Second, InProcess: true, Dial: l.DialContext,
		})
		require.NoError(t, err)
		survived(t, results)
		require.NoError(t, s.Shutdown(t.Context()))
	})
}

// Those that are about memory and sockets, with a poller.
func TestAttacksOnPoller(t *testing.T) {
	if race.Enabled || testing.Short() {
		t.Skip("it takes some seconds")
	}
	_, addr := serve(t, attacked(&Config{HandshakeTimeout: time.Second}), echo())
	results, err := wstest.RunAttacks(t.Context(), "ws://"+addr, &wstest.AttackOptions{
		Filter: "^(bomb|byte-per-packet|declared-length)$", Connections: 8, Patience: 3 * time.Second, InProcess: true,
	})
	require.NoError(t, err)
	survived(t, results)
}

func attacked(cfg *Config) *Config {
	cfg.Loops = 1
	cfg.Compression = &wsflate.Parameters{}
	cfg.ReadIdleTimeout = 10 * time.Second
	cfg.WriteTimeout = 5 * time.Second
	cfg.CloseTimeout = time.Second
	return cfg
}

func survived(t *testing.T, results []wstest.AttackResult) {
	require.NotEmpty(t, results)
	for _, r := range results {
		if r.Skipped == "" {
			require.True(t, r.Survived, "%s: %s", r.Name, r.Detail)
		}
		t.Logf("%s %s heap %d, after %d, %v", r.Name, r.Skipped, r.Heap, r.HeapAfter, r.Duration)
	}
}
