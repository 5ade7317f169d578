package wsutil

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
)

// waiting empties r and returns what it held.
func waiting(r *Replies) (all []got) {
	for op, p := range r.All {
		all = append(all, got{op: op, data: string(p)})
	}
	return all
}

func TestReplies(t *testing.T) {
	var r Replies
	require.True(t, r.Empty())
	require.Empty(t, waiting(&r))
	p := []byte("one")
	r.Add(ws.OpPong, p)
	clear(p)
	r.Add(ws.OpPing, nil)
	r.Add(ws.OpPong, nil)
	r.Add(ws.OpPong, []byte("two"))
	require.False(t, r.Empty())

	taken := r.Take()
	require.True(t, r.Empty())
	require.False(t, taken.Empty())
	r.Add(ws.OpPong, []byte("later"))
	require.Equal(t, []got{{op: ws.OpPong, data: "one"}, {op: ws.OpPing}, {op: ws.OpPong}, {op: ws.OpPong, data: "two"}}, waiting(&taken))
	require.True(t, taken.Empty())
	require.Equal(t, []got{{op: ws.OpPong, data: "later"}}, waiting(&r))
	require.True(t, r.Empty())

	for range 3 {
		r.Add(ws.OpPong, nil)
	}
	for range r.All {
		break
	}
	require.True(t, r.Empty(), "what is not taken is dropped")
}

// It holds so much and no more: the oldest pong gives way, a ping does not, and the
// order stays (RFC 6455, section 5.5.3).
func TestRepliesAreBounded(t *testing.T) {
	rng := rand.New(rand.NewPCG(6455, 8))
	for i := range 200 {
		var r Replies
		var want []got
		size := func() (n int) {
			for _, f := range want {
				n += 2 + len(f.data)
			}
			return n
		}
		for n := range 300 {
			f := got{op: ws.OpPong, data: fmt.Sprint(n, strings.Repeat("x", rng.IntN(120)))}
			pings := 0
			for _, f := range want {
				if f.op == ws.OpPing {
					pings++
				}
			}
			if rng.IntN(10) == 0 && (pings < 2 || i%10 == 0) {
				f.op, f.data = ws.OpPing, f.data[:min(rng.IntN(4), len(f.data))]
			}
			r.Add(f.op, []byte(f.data))
			want = append(want, f)
			for size() > maxReplies {
				drop := 0
				for drop < len(want)-1 && want[drop].op == ws.OpPing {
					drop++
				}
				if drop == len(want)-1 { // the new frame stays
					drop = 0
				}
				want = append(want[:drop:drop], want[drop+1:]...)
			}
			require.LessOrEqual(t, len(r.b.B), maxReplies)
		}
		require.Equal(t, want, waiting(&r))
	}
}

// The keepalive ping outlasts any number of pongs.
func TestRepliesKeepThePing(t *testing.T) {
	var r Replies
	r.Add(ws.OpPing, []byte("keepalive"))
	for range 1000 {
		r.Add(ws.OpPong, make([]byte, 125))
	}
	all := waiting(&r)
	require.Equal(t, got{op: ws.OpPing, data: "keepalive"}, all[0])
	require.Len(t, all, 4)

	for range 1000 {
		r.Add(ws.OpPing, make([]byte, 125))
	}
	require.Len(t, waiting(&r), 4, "but for other pings")
}

// Its buffer comes from the pool and goes back, and nothing is allocated.
func TestRepliesPool(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector makes pools forget")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	requireBalance(t, onePooled(), func() {
		var r Replies
		for range 20 {
			r.Add(ws.OpPong, make([]byte, 125))
		}
		for range r.All {
			break
		}
		r.Add(ws.OpPing, nil)
		taken := r.Take()
		waiting(&taken)
		waiting(&r)
	})
	payload := make([]byte, 125)
	require.Zero(t, testing.AllocsPerRun(20, func() {
		var r Replies
		for range 10 {
			r.Add(ws.OpPong, payload)
		}
		for range r.All {
		}
	}))
}
