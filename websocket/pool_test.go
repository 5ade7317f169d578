package websocket

import (
	"context"
	"io"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// poison overwrites the buffers in the pools. Code that still uses a freed
// buffer reads wrong bytes, or the race detector reports it.
func poison(r *rand.Rand) {
	if r.IntN(4) == 0 {
		bufpool.Poison()
	}
}

// Every buffer is given back, once, whatever a connection ends of.
func TestPoolBalance(t *testing.T) {
	if race.Enabled {
		t.Skip("pools lose buffers at random")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))  // one pool,
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which nobody empties
	const each = 8
	for name, use := range poolUses {
		for _, flate := range []*wsflate.Parameters{nil, {}} {
			drainPools(t)
			var lent []*bufpool.Buffer
			for _, size := range bufpool.Sizes() {
				for range each {
					lent = append(lent, bufpool.Get(size))
				}
			}
			for _, b := range lent {
				b.Free()
			}
			synctest.Test(t, func(t *testing.T) {
				a, b := bufferedPipe()
				o := ConnOptions{ReadLimit: 1 << 20, CloseTimeout: time.Second}
				s := newConn(connConfig{transport: a, flate: flate, ConnOptions: o})
				c := newConn(connConfig{transport: b, flate: flate, client: true, ConnOptions: o})
				use(s, c)
				s.CloseNow()
				c.CloseNow()
				b.Close()
				synctest.Wait()
			})
			for size, n := range drainPools(t) {
				require.Equal(t, each, n, "%s: buffers of %d bytes", name, size)
			}
		}
	}
}

// drainPools empties the pools and returns what was in them.
func drainPools(t *testing.T) map[int]int {
	counts := make(map[int]int)
	seen := make(map[*bufpool.Buffer]bool)
	for _, size := range bufpool.Sizes() {
		for b := bufpool.Idle(size); b != nil; b = bufpool.Idle(size) {
			require.False(t, seen[b], "given back twice")
			require.Empty(t, b.B)
			seen[b] = true
			counts[size]++
		}
	}
	return counts
}

var poolUses = map[string]func(s, c *Conn){
	"messages": func(s, c *Conn) {
		go echo(s)
		for _, n := range []int{0, 1, 1000, 20_000, 300_000} {
			c.Write(background, MessageBinary, make([]byte, n))
			c.Read(background)
		}
		c.CloseRead(background)
		c.Ping(background)
		c.Close(StatusNormalClosure, "")
	},
	"streams": func(s, c *Conn) {
		w, _ := c.Writer(background, MessageBinary)
		w.Write(make([]byte, 3000))
		w.Write(make([]byte, 300_000))
		w.Close()
		_, r, _ := s.Reader(background)
		r.Read(make([]byte, 100))
		go c.CloseRead(background)
		c.Write(background, MessageBinary, make([]byte, 5000))
		_, r, _ = s.Reader(background) // skips
		r.Read(make([]byte, 100))
		s.Close(StatusNormalClosure, "")
		io.Copy(io.Discard, r) // or else what is left of the message is kept for it
	},
	"a writer that is cut": func(s, c *Conn) {
		w, _ := c.Writer(background, MessageBinary)
		w.Write(make([]byte, 3000))
		s.CloseNow()
		c.Read(background)
		w.Write(make([]byte, 3000))
		w.Close()
	},
	"a fault": func(s, c *Conn) {
		s.SetReadLimit(10)
		go c.Write(background, MessageBinary, make([]byte, 100_000))
		go c.Read(background)
		s.Read(background)
	},
	"bad bytes": func(s, c *Conn) {
		c.transport.Write([]byte{0x83, 0x80, 0, 0})
		c.transport.Write([]byte{0, 0})
		go s.Read(background)
		c.Read(background)
	},
	"half a frame": func(s, c *Conn) {
		c.transport.Write([]byte{0x89, 0x85, 0, 0, 0, 0, 1})
		go s.Read(background)
		synctest.Wait()
		c.transport.Write([]byte{2})
		synctest.Wait()
		c.CloseNow()
	},
	"contexts": func(s, c *Conn) {
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		s.Read(ctx)
		s.Write(ctx, MessageText, make([]byte, 40_000))
		w, _ := c.Writer(background, MessageText)
		w.Write(make([]byte, 10_000))
		ctx, cancel = context.WithTimeout(background, time.Second)
		defer cancel()
		s.Read(ctx) // within a message
		w.Close()
	},
	"pings without end": func(s, c *Conn) {
		go c.Read(background)
		for range 100 {
			c.turnWriteFrame(ws.NewPingFrame(make([]byte, 100)))
		}
		s.write.lock(background, forControl, nil)
		go s.Read(background)
		synctest.Wait() // the pongs are left with us
		s.unlock(0, 0)
		s.Close(StatusNormalClosure, "")
	},
	"a panic": func(s, c *Conn) {
		s.opts = &settings{onPing: func(context.Context, []byte) bool { panic("mine") }}
		c.turnWriteFrame(ws.NewPingFrame(nil))
		defer func() { recover() }()
		s.Read(background)
	},
	"streams of bytes": func(s, c *Conn) {
		x, y := NetConn(background, s, MessageBinary), NetConn(background, c, MessageBinary)
		go func() {
			x.Write(make([]byte, 100_000))
			x.Close()
		}()
		io.Copy(io.Discard, y)
		y.Close()
	},
}
