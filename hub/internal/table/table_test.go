package table

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/heap"
	"github.com/wskit/wskit/internal/race"
)

func TestMap(t *testing.T) {
	var m Map[int]
	m.Delete("none")
	for i := range 1000 {
		m.Set(fmt.Sprint(i), i)
	}
	for i := range 1000 {
		require.Equal(t, i, m.Entries[fmt.Sprint(i)])
		m.Delete(fmt.Sprint(i))
		require.Len(t, m.Entries, 999-i)
	}
	require.Nil(t, m.Entries)
}

// The memory of deleted entries comes back, also if some entries stay.
func TestMapReleasesMemory(t *testing.T) {
	if race.Enabled || testing.Short() {
		t.Skip("memory is different under the race detector")
	}
	const n = 200_000
	var m Map[int]
	before := heap.InUse()
	for i := range n {
		m.Set(fmt.Sprint(i), i)
	}
	for i := range n - 10 {
		m.Delete(fmt.Sprint(i))
	}
	left := heap.InUse() - before
	require.Len(t, m.Entries, 10)
	require.Less(t, left, int64(100_000))
}
