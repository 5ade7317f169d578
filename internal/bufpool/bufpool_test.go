package bufpool

import (
	"bytes"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
)

func TestRoom(t *testing.T) {
	for _, size := range Sizes() {
		for _, n := range []int{size - 1, size, size + 1} {
			b := Get(n)
			require.Empty(t, b.B)
			require.GreaterOrEqual(t, cap(b.B), n)
			require.LessOrEqual(t, cap(b.B), max(2*n+n/2, 1152), "%d bytes", n)
			require.Len(t, b.All(), cap(b.B))
			b.Free()
		}
	}
	for _, n := range []int{-1, 0, 1} {
		require.GreaterOrEqual(t, cap(Get(n).B), minSize)
	}
}

// A frame whose payload is a power of two does not take the double.
func TestHeaderRoom(t *testing.T) {
	for n := minSize; n <= minSize<<(numClasses-1); n *= 2 {
		require.LessOrEqual(t, cap(Get(HeaderRoom+n).B), n+n/4+64, "%d bytes", n)
	}
}

func TestAppend(t *testing.T) {
	for _, step := range []int{0, 1, 100, 5000, 3 << 20} {
		var b *Buffer
		var want []byte
		for i := range 5 {
			p := bytes.Repeat([]byte{byte(i)}, step)
			want = append(want, p...)
			b = b.Append(p)
			require.True(t, bytes.Equal(want, b.B), "%d bytes", step)
		}
		b.Free()
	}
}

// Bytes that come one by one are not copied for each, at any size.
func TestAppendGrowsByDoubling(t *testing.T) {
	b, moved := Get(0), 0
	p := make([]byte, 64<<10)
	for range 16 << 20 / len(p) {
		next := b.Append(p)
		if next != b {
			moved++
		}
		b = next
	}
	require.LessOrEqual(t, moved, 16)
}

func TestFree(t *testing.T) {
	quietPools(t)
	(*Buffer)(nil).Free()
	for _, size := range Sizes() {
		require.Nil(t, Idle(size))
		b := Get(size)
		b.B = append(b.B, 1, 2, 3)
		b.Free()
		require.Nil(t, Idle(size+1), "%d bytes are in another class", size+1)
		require.Same(t, b, Idle(size))
		require.Empty(t, b.B)
	}
}

// Memory above the largest class is left to the garbage collector.
func TestLargeMemoryLeavesThePool(t *testing.T) {
	quietPools(t)
	most := classSize(numClasses - 1)
	Get(most + 1).Free()
	require.Nil(t, Idle(most+1))
	b := Get(100)
	b.Adopt(make([]byte, 2*most))
	b.Free()
	require.Equal(t, make([]int, numClasses), idle())
}

func TestAdopt(t *testing.T) {
	quietPools(t)
	for class, size := range Sizes() {
		for _, n := range []int{size, size + 1, 2*size - HeaderRoom - 1} {
			b := Get(0)
			before := cap(b.B)
			p := make([]byte, n)
			b.Adopt(p)
			require.Empty(t, b.B)
			if n <= before {
				require.Equal(t, before, cap(b.B))
				b.Free()
				require.Same(t, b, Idle(0))
				continue
			}
			require.Same(t, &p[0], &b.All()[0])
			b.Free()
			require.Same(t, b, Idle(size), "%d bytes", n)
			require.GreaterOrEqual(t, cap(b.B), classSize(class))
		}
	}
	b := Get(5000)
	b.Adopt(append(b.B, 1)[:1]) // nothing has moved
	require.GreaterOrEqual(t, cap(b.B), 5000)
	b.Free()
	require.Same(t, b, Idle(5000))
}

func TestPoison(t *testing.T) {
	quietPools(t)
	var all [][]byte
	for _, size := range Sizes() {
		b := Get(size)
		all = append(all, b.All())
		b.Free()
	}
	Poison()
	for _, p := range all {
		require.True(t, bytes.Equal(bytes.Repeat([]byte{0xdb}, len(p)), p))
	}
}

func TestFreedTwice(t *testing.T) {
	if !race.Enabled {
		t.Skip("found only under the race detector")
	}
	b := Get(10)
	p := append(b.B, "secret"...)
	b.Free()
	require.NotContains(t, string(p), "secret")
	require.Panics(t, b.Free)
}

func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector makes pools forget")
	}
	p := make([]byte, 3000)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		b := Get(1000)
		b = b.Append(p)
		b.Free()
	}))
}

// quietPools empties the pools and lets nobody else do so.
func quietPools(t *testing.T) {
	t.Helper()
	if race.Enabled {
		t.Skip("the race detector makes pools forget")
	}
	procs := runtime.GOMAXPROCS(1) // each processor has pools of its own
	percent := debug.SetGCPercent(-1)
	t.Cleanup(func() {
		runtime.GOMAXPROCS(procs)
		debug.SetGCPercent(percent)
	})
	idle()
}

// idle empties the pools and returns how many buffers were in each.
func idle() []int {
	counts := make([]int, numClasses)
	for class, size := range Sizes() {
		for Idle(size) != nil {
			counts[class]++
		}
	}
	return counts
}
