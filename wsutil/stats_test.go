package wsutil

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDurations(t *testing.T) {
	var d Durations
	for _, t := range []time.Duration{-1, 0, 1, time.Millisecond, time.Millisecond + 1, 3 * time.Millisecond, 4 * time.Millisecond, time.Hour, 1000 * time.Hour, 1 << 62} {
		d.Add(t)
	}
	got := maps.Collect(d.Buckets())
	require.Len(t, got, durationBuckets)
	require.EqualValues(t, 4, got[time.Millisecond], "with the bound itself")
	require.EqualValues(t, 5, got[2*time.Millisecond])
	require.EqualValues(t, 7, got[4*time.Millisecond])
	require.EqualValues(t, 8, got[time.Millisecond<<27])
	require.EqualValues(t, 10, d.Count())

	var one Durations
	one.Add(1500 * time.Millisecond)
	one.Add(500 * time.Millisecond)
	require.Equal(t, 2*time.Second, one.Sum())
	for range one.Buckets() {
		break
	}
}
