package serve

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
)

// TestFramesSlow has a watcher that does not read. It misses messages above the
// limit, and the numbers of the others show the gap.
func TestFramesSlow(t *testing.T) {
	var group websocket.Group
	var f frames
	list := make(chan frame, 2)
	require.True(t, f.watch("x", list))
	hooks := newMetrics(&group).hooks("echo", f.of("x"))
	for range 3 {
		hooks.MessageRead(nil, websocket.MessageText, 5, 5)
	}
	require.EqualValues(t, 1, (<-list).Number)
	require.EqualValues(t, 2, (<-list).Number)
	hooks.MessageRead(nil, websocket.MessageText, 5, 5)
	require.EqualValues(t, 4, (<-list).Number)
	hooks.MessageWritten(nil, websocket.MessageText, 5, 5)
	require.EqualValues(t, 1, (<-list).Number)

	f.close()
	_, open := <-list
	require.False(t, open)
	require.False(t, f.watch("x", list), "the server is shutting down")
	hooks.MessageRead(nil, websocket.MessageText, 5, 5)
	f.forget("x", list)
}
