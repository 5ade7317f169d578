package wsflate

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
)

// A buffer that has become large is left to the garbage collector: one large message does not
// fill the pool with memory.
func TestLargeBuffersLeaveThePool(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector makes pools forget")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // what another processor keeps cannot be seen
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for size, kept := range map[int]bool{bufferSize: true, maxBuffer: true, maxBuffer + 1: false} {
		b := &buffer{make([]byte, 100, size)}
		b.giveBack()
		got := borrow()
		require.Equal(t, kept, got == b, "%d bytes", size)
		require.Empty(t, got.b)
		require.GreaterOrEqual(t, cap(got.b), bufferSize)
	}
	(*buffer)(nil).giveBack()
}
