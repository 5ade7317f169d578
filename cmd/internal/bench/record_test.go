package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRecorder cuts a run into slices: every message counts once, and none of the warm-up.
func TestRecorder(t *testing.T) {
	r := newRecorder(2)
	answer := func(shard int, d time.Duration) {
		s := &r.shards[shard]
		record(s.latency, d)
		s.tally.add(tally{sent: 1, received: 1, bytesSent: 70, bytesReceived: 66})
	}
	r.begin(0)
	answer(0, time.Hour)
	r.forget()

	r.begin(time.Second)
	answer(0, time.Millisecond)
	answer(1, 3*time.Millisecond)
	total, point := r.slice(2*time.Second, 5)
	require.EqualValues(t, 2, total.received)
	require.Equal(t, 5, point.Open)
	answer(1, 2*time.Millisecond)
	total, _ = r.slice(4*time.Second, 5)
	require.EqualValues(t, 3, total.received)
	answer(0, 4*time.Millisecond)
	r.finish()

	require.Equal(t, tally{sent: 4, received: 4, bytesSent: 280, bytesReceived: 264}, r.total)
	require.EqualValues(t, 4, r.latency.TotalCount())
	require.InEpsilon(t, 4*time.Millisecond, r.latency.Max(), 0.001)
	require.Len(t, r.timeline, 2)
	require.Equal(t, []float64{2, 0.5}, []float64{r.timeline[0].PerSecond, r.timeline[1].PerSecond})
}
