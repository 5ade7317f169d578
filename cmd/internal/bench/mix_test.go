package bench

import (
	"math/rand/v2"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/ws"
)

func TestSizes(t *testing.T) {
	for s, want := range map[string]int{"0": 0, "64": 64, "64B": 64, "16k": 16 << 10, "16KiB": 16 << 10, "1m": 1 << 20, "1024m": 1 << 30} {
		n, err := parseSize(s)
		require.NoError(t, err, s)
		require.Equal(t, want, n, s)
	}
	for _, s := range []string{"", "k", "-1", "1x", "1kk", "1025m", "9999999999999999999"} {
		_, err := parseSize(s)
		require.Equal(t, exit.Usage, exit.Status(err), s)
	}
}

// Messages come as often as their weights say.
func TestMix(t *testing.T) {
	m := mix{op: ws.OpText}
	require.NoError(t, m.parseSizes("10:9,1k:1"))
	require.Equal(t, 1024, m.largest())
	random := rand.New(rand.NewPCG(1, 2))
	long := 0
	for range 10000 {
		p := m.next(random).payload
		require.True(t, utf8.Valid(p))
		if len(p) == 1024 {
			long++
		}
	}
	require.InDelta(t, 1000, long, 100)
	m.compress()
	require.Nil(t, m.messages[0].compressed, "ten bytes do not get smaller")
	require.Less(t, len(m.messages[1].compressed), 700)
}

func TestSources(t *testing.T) {
	list, err := parseSources([]string{"127.0.0.2", "127.0.1.0/30"})
	require.NoError(t, err)
	var names []string
	for _, a := range list {
		names = append(names, a.String())
	}
	require.Equal(t, []string{"127.0.0.2:0", "127.0.1.1:0", "127.0.1.2:0", "127.0.1.3:0"}, names)
}

// A message that was due while the connection waited counts from then on; one whose
// timer was a little late counts from when it was sent.
func TestCoordinatedOmission(t *testing.T) {
	l := newLoad(config{connections: 1, pipeline: 1, interval: 10 * time.Millisecond, atOnce: 1})
	w := l.workers[0]
	w.due = 100 * time.Millisecond

	w.ready = 90 * time.Millisecond // the connection waited for the schedule
	since, ok := w.mayStart(101 * time.Millisecond)
	require.True(t, ok)
	require.Equal(t, 101*time.Millisecond, since)

	w.ready = 180 * time.Millisecond // the schedule waited for the connection
	since, ok = w.mayStart(180 * time.Millisecond)
	require.True(t, ok)
	require.Equal(t, 110*time.Millisecond, since)

	_, ok = w.mayStart(119 * time.Millisecond)
	require.False(t, ok, "the next one is due at 120 ms")
}
