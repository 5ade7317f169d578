package wsloop

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// fill makes a connection whose peer reads nothing, and sends until messages
// wait. It runs on the loop.
func fill(t *testing.T, c *Conn) (sent int) {
	p := make([]byte, 16<<10)
	for range 10_000 {
		r, err := c.Send(ws.OpBinary, p)
		require.NoError(t, err)
		if r != wsutil.SendSent {
			return sent
		}
		sent++
	}
	t.Error("the transport takes everything")
	return sent
}

// stuck starts a server with a connection whose peer reads nothing until it is
// told to, and calls f on the loop once messages wait.
func stuck(t *testing.T, cfg *Config, h *Handler, f func(c *Conn, sent int)) *client {
	done := make(chan struct{})
	h.Message = func(c *Conn, _ ws.OpCode, p []byte) {
		f(c, fill(t, c))
		close(done)
	}
	_, addr := serve(t, cfg, h)
	c := dial(t, addr)
	c.text("go")
	await(t, done)
	return c
}

// At the bound, each policy does what it says, and never more waits than the
// bound.
func TestPolicies(t *testing.T) {
	const most = 64 << 10
	small := func(i int) []byte { return fmt.Appendf(nil, "%05d", i) }
	flood := func(t *testing.T, cfg *Config, c *Conn, policy wsutil.SendPolicy, want wsutil.SendResult) {
		for i := range 20_000 {
			r, err := c.Send(ws.OpText, small(i))
			bound := most
			if policy == wsutil.SendDropOldest {
				bound = 2 * most
			}
			if cfg.Goroutines {
				bound += pumpLarge
			}
			require.LessOrEqual(t, c.Buffered(), bound)
			if r == want {
				if policy == wsutil.SendClose {
					require.ErrorIs(t, err, wsutil.ErrSendQueueFull)
					_, err = c.Send(ws.OpText, nil)
					require.ErrorIs(t, err, ErrClosed)
				}
				return
			}
			require.NoError(t, err)
		}
		t.Error("the bound was not reached")
	}
	for policy, result := range map[wsutil.SendPolicy]wsutil.SendResult{
		wsutil.SendClose:      wsutil.SendFailed,
		wsutil.SendDropNew:    wsutil.SendDropped,
		wsutil.SendDropOldest: wsutil.SendDisplaced,
	} {
		t.Run(policy.String(), func(t *testing.T) {
			inModes(t, func(t *testing.T, cfg *Config) {
				cfg.Queue.Policy = policy
				ends := make(chan End, 1)
				h := &Handler{Close: func(_ *Conn, end End) { ends <- end }}
				var sent int
				var conn *Conn
				c := stuck(t, cfg, h, func(c *Conn, n int) {
					sent, conn = n, c
					flood(t, cfg, c, policy, result)
				})
				for range sent {
					require.Len(t, c.next().Payload, 16<<10)
				}
				if policy == wsutil.SendClose {
					c.wantClose(ws.StatusTryAgainLater)
					c.send(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusTryAgainLater, "")))
					end := await(t, ends)
					require.Equal(t, ws.StatusTryAgainLater, end.Code)
					require.ErrorIs(t, end.Err, wsutil.ErrSendQueueFull)
					return
				}
				require.NotZero(t, conn.Server().Stats().Dropped)
				c.next() // what waited arrives
				conn.Close(ws.StatusNormalClosure, "")
				c.wantClose(ws.StatusNormalClosure)
			})
		})
	}
}

// Of each key only the newest value waits.
func TestSendKey(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		var sent int
		c := stuck(t, cfg, &Handler{}, func(c *Conn, n int) {
			sent = n
			for i := range 1000 {
				for _, key := range []string{"a", "b"} {
					r, err := c.SendKey(ws.OpText, fmt.Appendf(nil, "%s%d", key, i), key)
					require.NoError(t, err)
					require.Equal(t, i > 0, r == wsutil.SendReplaced)
				}
			}
			c.Close(ws.StatusNormalClosure, "")
		})
		for range sent + 1 { // and the one that did not fit
			require.Len(t, c.next().Payload, 16<<10)
		}
		c.want("a999")
		c.want("b999")
		c.wantClose(ws.StatusNormalClosure)
	})
}

// Pings are answered at the bound: a pong waits in a reserve of its own, and
// goes out between the messages.
func TestControlFramesAtTheBound(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		cfg.Queue.Policy = wsutil.SendDropNew
		c := stuck(t, cfg, &Handler{}, func(c *Conn, _ int) {
			for r := wsutil.SendQueued; r != wsutil.SendDropped; {
				r, _ = c.Send(ws.OpBinary, make([]byte, 1000))
			}
		})
		c.send(ws.NewPingFrame([]byte("alive?")))
		for {
			f := c.next()
			if f.Header.OpCode == ws.OpPong {
				require.Equal(t, "alive?", string(f.Payload))
				return
			}
		}
	})
}

// Drain is called once everything that was queued is gone, and only then.
func TestDrain(t *testing.T) {
	inPoller(t, func(t *testing.T, cfg *Config) {
		drains := make(chan int, 100)
		h := &Handler{Drain: func(c *Conn) { drains <- c.Buffered() }}
		var sent int
		c := stuck(t, cfg, h, func(_ *Conn, n int) { sent = n })
		require.Empty(t, drains)
		for range sent + 1 {
			c.next()
		}
		require.Zero(t, await(t, drains))

		h.Message = nil
		_, addr := serve(t, cfg, &Handler{
			Message: func(c *Conn, op ws.OpCode, p []byte) { c.Send(op, p) },
			Drain:   func(*Conn) { drains <- -1 },
		})
		c = dial(t, addr)
		for range 100 {
			c.text("x")
			c.want("x")
		}
		require.Empty(t, drains, "nothing had to wait")
	})
}

// SendWait waits for room, at most until its context ends.
func TestSendWait(t *testing.T) {
	inPoller(t, func(t *testing.T, cfg *Config) {
		results := make(chan error, 2)
		var sent int
		c := stuck(t, cfg, &Handler{}, func(c *Conn, n int) {
			sent = n
			for c.queue.Fits(20_000) {
				c.Send(ws.OpBinary, make([]byte, 10_000))
				sent++
			}
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			results <- c.SendWait(ctx, ws.OpBinary, make([]byte, 20_000)) // nothing is written meanwhile
			c.Go(func() {
				results <- c.SendWait(context.Background(), ws.OpBinary, make([]byte, 20_000))
			})
		})
		require.ErrorIs(t, await(t, results), context.Canceled)
		for range sent + 1 {
			c.next()
		}
		require.NoError(t, await(t, results))
		require.Len(t, c.next().Payload, 20_000)
	})
}

// A message that can never fit into the queue is refused in any state.
func TestTooLargeForQueue(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		errs := make(chan error, 2)
		_, addr := serve(t, cfg, &Handler{Open: func(c *Conn) {
			_, err := c.Send(ws.OpBinary, make([]byte, 64<<10+1))
			errs <- err
			_, err = c.Send(ws.OpBinary, make([]byte, 64<<10))
			errs <- err
			_, err = c.Send(ws.OpPing, nil)
			errs <- err
		}})
		c := dial(t, addr)
		require.ErrorIs(t, await(t, errs), wsutil.ErrSendTooLarge)
		require.NoError(t, await(t, errs))
		require.Len(t, c.next().Payload, 64<<10)
		require.ErrorIs(t, await(t, errs), wsutil.ErrNotSendable)
	})
}

// Waiting messages of an ending connection are dropped, and Close is called.
func TestQueueOfTheDead(t *testing.T) {
	inPoller(t, func(t *testing.T, cfg *Config) {
		ends := make(chan End, 1)
		var conn *Conn
		stuck(t, cfg, &Handler{Close: func(_ *Conn, end End) { ends <- end }}, func(c *Conn, _ int) { conn = c })
		require.NotZero(t, conn.Buffered())
		conn.CloseNow()
		await(t, ends)
		require.Zero(t, conn.Buffered())
		_, err := conn.Send(ws.OpText, nil)
		require.ErrorIs(t, err, ErrClosed)
		require.ErrorIs(t, conn.Ping(nil), ErrClosed)
		require.ErrorIs(t, conn.Close(1000, ""), ErrClosed)
		require.False(t, conn.Go(func() {}))
	})
}

// A long message is written at once, from the memory of the caller. What the
// transport does not take is copied: the caller may change its memory, and
// everything arrives once and in order.
func TestLongSends(t *testing.T) {
	inPoller(t, func(t *testing.T, cfg *Config) {
		cfg.Queue = wsutil.SendQueueOptions{MaxBytes: -1, MaxMessages: -1}
		const count = 200
		size := func(i int) int { return directFrom - 1 + i%3*20_000 } // copied, apart, and apart by the protocol as well
		h := &Handler{Message: func(c *Conn, op ws.OpCode, p []byte) {
			if string(p) == "one" {
				c.Send(ws.OpText, []byte("before"))
				c.Send(ws.OpBinary, make([]byte, directFrom))
				c.mu.Lock()
				defer c.mu.Unlock()
				require.Zero(t, c.pending(), "it is written, and what was sent before it")
				return
			}
			message := make([]byte, size(2))
			for i := range count {
				for j := range message[:size(i)] {
					message[j] = byte(i + j>>8)
				}
				r, err := c.Send(ws.OpBinary, message[:size(i)])
				require.NoError(t, err)
				require.True(t, r.Taken())
				clear(message)
			}
		}}
		_, addr := serve(t, cfg, h)
		c := dial(t, addr)
		c.text("one")
		c.want("before")
		require.Len(t, c.next().Payload, directFrom)
		c.text("all")
		for i := range count {
			p := c.next().Payload
			require.Len(t, p, size(i))
			for j := range p {
				if p[j] != byte(i+j>>8) {
					t.Fatalf("message %d, byte %d", i, j)
				}
			}
		}
	})
}
