package wsloop

import (
	"context"
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// Stats of both packages are the same counters: what one side of a connection
// counts as written, the other side counts as read.
func TestSharedStats(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		var stats, peer websocket.Stats
		cfg.Stats = &stats.Stats
		cfg.Compression = &wsflate.Parameters{}
		h := echo()
		h.Open = func(c *Conn) { require.NoError(t, c.Ping([]byte("there?"))) }
		s, addr := serve(t, cfg, h)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		c, _, err := websocket.Dial(ctx, "ws://"+addr, &websocket.DialOptions{
			CompressionMode: websocket.CompressionContextTakeover, CompressionThreshold: 1,
			ConnOptions: websocket.ConnOptions{Stats: &peer},
		})
		require.NoError(t, err)
		prepared, err := wsutil.NewPreparedMessage(ws.OpText, []byte(strings.Repeat("all", 100)))
		require.NoError(t, err)
		for _, text := range []string{"", "short", strings.Repeat("long", 1000)} {
			require.NoError(t, c.Write(ctx, websocket.MessageText, []byte(text)))
			_, p, err := c.Read(ctx)
			require.NoError(t, err)
			require.Equal(t, text, string(p))
		}
		s.loops[0].do(func(l *loop) {
			for _, c := range l.slots {
				c.SendPrepared(prepared)
			}
		})
		_, _, err = c.Read(ctx)
		require.NoError(t, err)
		c.CloseRead(ctx)
		require.NoError(t, c.Ping(ctx))
		require.EqualValues(t, 1, stats.Open.Load())
		require.NoError(t, c.Close(4000, ""))
		require.Eventually(t, func() bool { return s.Conns() == 0 }, 20*time.Second, time.Millisecond)

		require.EqualValues(t, 1, stats.Opened.Load())
		require.Zero(t, stats.Open.Load())
		require.EqualValues(t, 1, stats.Handshakes.Count())
		require.EqualValues(t, 1, stats.Lifetimes.Count())
		require.EqualValues(t, 3, stats.MessagesRead.Load())
		require.EqualValues(t, 4005, stats.BytesRead.Load())
		require.EqualValues(t, 4, stats.MessagesWritten.Load())
		require.EqualValues(t, 4305, stats.BytesWritten.Load())
		require.Equal(t, peer.WireBytesWritten.Load(), stats.WireBytesRead.Load())
		require.Equal(t, peer.WireBytesRead.Load(), stats.WireBytesWritten.Load())
		require.Less(t, stats.WireBytesWritten.Load(), int64(500))
		require.EqualValues(t, 1, stats.PingsRead.Load())
		require.EqualValues(t, 1, stats.PongsWritten.Load())
		require.EqualValues(t, 1, stats.PingsWritten.Load())
		require.EqualValues(t, 1, stats.PongsRead.Load())
		require.Equal(t, map[websocket.StatusCode]int64{4000: 1}, maps.Collect(stats.AllClosesRead()))
		require.Equal(t, map[websocket.StatusCode]int64{4000: 1}, maps.Collect(stats.AllClosesWritten()))
	})
}

// Messages that have waited count once, when they are encoded, and pongs as
// well.
func TestStatsOfWhatWaits(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		cfg.Stats = new(wsutil.Stats)
		var sent int
		c := stuck(t, cfg, &Handler{}, func(c *Conn, n int) {
			sent = n + 1
			for range 3 {
				c.Send(ws.OpBinary, []byte("waits"))
			}
		})
		c.send(ws.NewPingFrame([]byte("alive?")))
		want := map[ws.OpCode]int{ws.OpBinary: sent + 3, ws.OpPong: 1}
		for want[ws.OpBinary] > 0 || want[ws.OpPong] > 0 {
			want[c.next().Header.OpCode]--
		}
		require.EqualValues(t, sent+3, cfg.Stats.MessagesWritten.Load())
		require.EqualValues(t, sent*16<<10+15, cfg.Stats.BytesWritten.Load())
		require.EqualValues(t, 1, cfg.Stats.PongsWritten.Load())
	})
}

// Refusals count by their status: 0 where there is nobody to answer in TLS.
func TestStatsOfRefusals(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		cfg.Stats = new(wsutil.Stats)
		cfg.OnRequest = func(*ws.Request, *Options) error {
			return ws.RejectConnectionError(ws.RejectionStatus(404))
		}
		_, addr := serve(t, cfg, nil)
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, err = conn.Write([]byte(upgradeRequest))
		require.NoError(t, err)
		_, err = conn.Read(make([]byte, 1))
		require.NoError(t, err)
		require.Equal(t, map[int]int64{404: 1}, maps.Collect(cfg.Stats.AllRefused()))
		require.Zero(t, cfg.Stats.Opened.Load())
	})
}
