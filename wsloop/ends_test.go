package wsloop

import (
	"bufio"
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// The caller of Attach may fill the transport before the loop has seen the
// connection. The loop then waits for it as for any other, even if Open pauses
// the input.
func TestSendBeforeOpen(t *testing.T) {
	inPoller(t, func(t *testing.T, cfg *Config) {
		cfg.Queue = wsutil.SendQueueOptions{MaxBytes: -1, MaxMessages: -1}
		s := start(t, cfg, &Handler{Open: func(c *Conn) { c.Pause() }})
		release := holdLoop(t, s)
		here, there := socketPair(t)
		conn, err := s.Attach(there, nil, ws.Handshake{}, ws.StateServerSide, nil)
		require.NoError(t, err)
		sent := fill(t, conn) + 1 // and the one that waits
		release()
		c := &client{t: t, Conn: here, r: bufio.NewReader(here)}
		for range sent {
			require.Len(t, c.next().Payload, 16<<10)
		}
	})
}

// Shutdown closes all connections, even if Drain of one of them ends the
// goroutine of the loop at that moment.
func TestShutdownAfterGoexitInDrain(t *testing.T) {
	inPoller(t, func(t *testing.T, cfg *Config) {
		filled := make(chan int, 1)
		h := &Handler{
			Message: func(c *Conn, _ ws.OpCode, _ []byte) { filled <- fill(t, c) },
			Drain:   func(*Conn) { runtime.Goexit() },
		}
		s, addr := serve(t, cfg, h)
		first, second := dial(t, addr), dial(t, addr)
		first.text("fill")
		sent := await(t, filled)
		release := holdLoop(t, s)
		held, released := make(chan struct{}), make(chan struct{})
		require.True(t, s.loops[0].do(func(*loop) { close(held); <-released }))
		done := make(chan error, 1)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		go func() { done <- s.Shutdown(ctx) }()
		require.Eventually(t, func() bool { // the tasks run in one iteration
			s.loops[0].mu.Lock()
			defer s.loops[0].mu.Unlock()
			return len(s.loops[0].tasks) == 3 // and one that ends Serve
		}, 20*time.Second, time.Millisecond)
		release()
		await(t, held)
		for range sent - 1 { // there is room again, which the loop has not seen
			require.Len(t, first.next().Payload, 16<<10)
		}
		close(released)
		for _, c := range []*client{first, second} {
			c.wantClose(ws.StatusGoingAway)
			c.send(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusGoingAway, "")))
		}
		require.NoError(t, await(t, done))
	})
}

// SendWait returns when its connection begins to close, even if nothing is
// written meanwhile.
func TestSendWaitAfterClose(t *testing.T) {
	inPoller(t, func(t *testing.T, cfg *Config) {
		stuck(t, cfg, &Handler{}, func(c *Conn, _ int) { // holds the loop
			for c.queue.Fits(10_000) {
				c.Send(ws.OpBinary, make([]byte, 10_000))
			}
			result := make(chan error, 1)
			go func() { result <- c.SendWait(context.Background(), ws.OpBinary, make([]byte, 10_000)) }()
			for waits := false; !waits; runtime.Gosched() {
				c.mu.Lock()
				waits = c.rare != nil && c.rare.room != nil
				c.mu.Unlock()
			}
			require.NoError(t, c.Close(ws.StatusNormalClosure, ""))
			require.ErrorIs(t, await(t, result), ErrClosed)
		})
	})
}

// A close frame of the peer that was held with the end of its input is read,
// although the handler closes the connection before it: the handshake is
// complete (RFC 6455, section 7.1.4). Without a close frame, the end of the
// input ends the connection, and not a timeout.
func TestHeldEnd(t *testing.T) {
	for _, what := range []string{"close", "panic"} {
		for _, received := range []ws.StatusCode{1000, 0} {
			t.Run(fmt.Sprint(what, received), func(t *testing.T) {
				inPoller(t, func(t *testing.T, cfg *Config) {
					heldEnd(t, cfg, what, received)
				})
			})
		}
	}
}

func heldEnd(t *testing.T, cfg *Config, what string, received ws.StatusCode) {
	cfg.CloseTimeout = -1
	paused, ends := make(chan *Conn, 1), make(chan End, 1)
	s, addr := serveTLS(t, cfg, &Handler{
		Message: func(c *Conn, _ ws.OpCode, p []byte) {
			switch string(p) {
			case "pause":
				c.Pause()
				paused <- c
			case "close":
				c.Close(4000, "")
			case "panic":
				panic("oh")
			}
		},
		Close: func(_ *Conn, end End) { ends <- end },
	})
	c := dialTLS(t, addr)
	frames := []ws.Frame{ws.NewTextFrame([]byte("pause")), ws.NewTextFrame([]byte(what))}
	if received != 0 {
		frames = append(frames, ws.NewCloseFrame(ws.NewCloseFrameBody(received, "")))
	}
	release := holdLoop(t, s) // so that one read receives all
	c.send(frames...)
	require.NoError(t, c.Conn.(interface{ CloseWrite() error }).CloseWrite())
	release()
	conn := await(t, paused)
	release = holdLoop(t, s) // after the read
	conn.Resume()
	release()
	require.False(t, await(t, ends).PeerFirst)
	require.Equal(t, received, conn.Status().Received)
}
