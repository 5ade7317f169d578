package wsloop

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// A goroutine that wakes a loop holds its lock: otherwise the loop could end,
// and the call would write to a descriptor that is closed and reused.
func TestWakeHoldsLock(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		conns := make(chan *Conn, 1)
		s, addr := serve(t, cfg, &Handler{Open: func(c *Conn) { conns <- c }})
		p := watch(t, s)
		c := dial(t, addr)
		conn := await(t, conns)
		for range 10 {
			conn.Send(ws.OpText, []byte("x"))
			c.want("x")
			release := holdLoop(t, s)
			release()
		}
		s.Close()
		c.wantEnd()
		require.NoError(t, s.Shutdown(t.Context()))
		require.Zero(t, p.unsafe.Load())
	})
}
