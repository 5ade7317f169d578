package bench

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// A pong is for its ping and all before it, whose pongs the peer may leave out (RFC 6455,
// section 5.5.3). One that nobody asked for is for none.
func TestTaken(t *testing.T) {
	l := newLoad(config{mode: sendOnly, connections: 1, pipeline: 4})
	w := l.workers[0]
	w.proto.Reset(&wsutil.Config{State: ws.StateClientSide})
	for i := range 6 { // around the ring
		if i == 2 {
			w.taken(time.Second, binary.BigEndian.AppendUint64(nil, 1), new(tally))
		}
		w.behind = 10 + i
		require.NoError(t, w.ping(0))
	}
	require.Equal(t, 4, w.inFlight)
	require.Equal(t, 12+13+14+15, w.unanswered())
	pong := func(number uint64) (n int64) {
		var tally tally
		w.taken(time.Second, binary.BigEndian.AppendUint64(nil, number), &tally)
		return tally.received
	}
	require.Zero(t, pong(1), "a pong that came before")
	require.Zero(t, pong(6), "a pong without a ping")
	require.EqualValues(t, 12+13, pong(3))
	require.EqualValues(t, 14, pong(4))
	w.taken(time.Second, []byte("hello"), new(tally))
	require.EqualValues(t, 1, w.inFlight)
	require.EqualValues(t, 15, pong(5))
	require.Zero(t, w.unanswered())
	require.EqualValues(t, 6, w.shard.latency.TotalCount())
}
