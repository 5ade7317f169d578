package websocket

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/wsflate"
)

// Steady state allocates nothing, under a context that cannot end and under one that can
// and is used again.
func TestAllocs(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	prepared, err := NewPreparedMessage(MessageText, make([]byte, 100))
	require.NoError(t, err)
	for name, ctx := range map[string]context.Context{"background": background, "cancellable": ctx} {
		for transport, pair := range map[string]func(testing.TB, ConnOptions, ConnOptions) (s, c *Conn){
			"tcp": tcpPair, "stream": streamPair,
		} {
			for _, size := range []int{0, 16, 1000, 20000, 200000} {
				s, c := pair(t, ConnOptions{}, ConnOptions{ReadLimit: -1})
				s.SetReadLimit(-1)
				go echo(s)
				p, buf := make([]byte, size), make([]byte, 0, 1<<18)
				require.Zero(t, testing.AllocsPerRun(200, func() {
					require.NoError(t, c.Write(ctx, MessageBinary, p))
					_, q, err := c.ReadAppend(ctx, buf)
					if err != nil || len(q) != size {
						t.Fatal(err)
					}
				}), "%s %s %d", name, transport, size)
			}
			s, c := pair(t, ConnOptions{}, ConnOptions{})
			go echo(s)
			c.CloseRead(background)
			require.Zero(t, testing.AllocsPerRun(200, func() {
				if err := c.Ping(ctx); err != nil {
					t.Fatal(err)
				}
			}), "ping %s %s", name, transport)
			require.Positive(t, c.Latency())

			buf := make([]byte, 0, 1<<10)
			s, c = pair(t, ConnOptions{}, ConnOptions{})
			require.Zero(t, testing.AllocsPerRun(200, func() {
				if err := s.WritePrepared(ctx, prepared); err != nil {
					t.Fatal(err)
				}
				if _, _, err := c.ReadAppend(ctx, buf); err != nil {
					t.Fatal(err)
				}
			}), "prepared %s %s", name, transport)
		}
	}
}

// Nor do timeouts, the keepalive, counters and compression allocate.
func TestAllocsOfOptions(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	cancellable, cancel := context.WithCancel(background)
	defer cancel()
	p := bytes.Repeat([]byte("hello, "), 300)
	buf := make([]byte, 0, 2*len(p))
	for name, cfg := range map[string]connConfig{
		"write timeout":       {ConnOptions: ConnOptions{WriteTimeout: time.Minute}},
		"read idle timeout":   {ConnOptions: ConnOptions{ReadIdleTimeout: time.Minute}},
		"keepalive":           {ConnOptions: ConnOptions{KeepAlive: time.Minute}},
		"stats":               {ConnOptions: ConnOptions{Stats: new(Stats)}},
		"fragments":           {ConnOptions: ConnOptions{FragmentSize: 500}},
		"compression":         {flate: new(wsflate.Parameters)},
		"no context takeover": {flate: &wsflate.Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true}},
	} {
		a, b := tcpConns(t)
		cfg.transport = a
		s := newConn(cfg)
		cfg.transport, cfg.client = b, true
		c := newConn(cfg)
		go echo(s)
		for _, ctx := range []context.Context{background, cancellable} {
			require.Zero(t, testing.AllocsPerRun(200, func() {
				if err := c.Write(ctx, MessageText, p); err != nil {
					t.Fatal(err)
				}
				if _, q, err := c.ReadAppend(ctx, buf); err != nil || len(q) != len(p) {
					t.Fatal(err)
				}
			}), "%s, %v", name, ctx)
		}
		c.CloseNow()
		s.CloseNow()
	}
}
