package websocket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := pipePair(t, ConnOptions{}, ConnOptions{})
		s.CloseRead(background)
		c.CloseRead(background)
		for range 5 {
			require.NoError(t, s.Ping(background))
			require.NoError(t, c.Ping(background))
		}
	})
}

// Nobody answers: the context ends the wait, and the connection is usable.
func TestPingContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := rawPair(t, connConfig{})
		go io.Copy(io.Discard, peer)
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		require.ErrorIs(t, s.Ping(ctx), context.DeadlineExceeded)
		require.NoError(t, s.Write(background, MessageText, nil))
	})
}

// The peer may answer only the last ping (RFC 6455, section 5.5.3).
func TestPongOfLastPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := rawPair(t, connConfig{client: true})
		go io.Copy(io.Discard, peer)
		s.CloseRead(background)
		done := make(chan error, 3)
		for range 3 {
			go func() { done <- s.Ping(background) }()
			synctest.Wait()
		}
		for _, pong := range []string{"4", "", "x", "99999999999999999999", "3"} {
			ws.WriteFrame(peer, ws.NewPongFrame([]byte(pong)))
		}
		for range 3 {
			require.NoError(t, <-done)
		}
	})
}

// Pings are answered with their payloads in their order, also while a writer is blocked: by the
// writer, between the frames of its message.
func TestPongs_RFC6455_5_5_3(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := rawPair(t, connConfig{client: true, ConnOptions: ConnOptions{FragmentSize: 100}})
		reading := make(chan error, 1)
		go func() {
			_, _, err := s.Read(background)
			reading <- err
		}()
		message := bytes.Repeat([]byte("m"), 1000)
		go s.Write(background, MessageBinary, message)
		synctest.Wait() // blocked in its first frame
		for _, p := range []string{"a", "b", "c"} {
			ws.WriteFrame(peer, ws.NewPingFrame([]byte(p)))
		}
		ws.WriteFrame(peer, ws.NewTextFrame(nil))
		require.NoError(t, <-reading)

		var got []byte
		var pongs string
		frames := 0
		for len(got) < len(message) {
			f, err := ws.ReadFrame(peer)
			require.NoError(t, err)
			f = ws.UnmaskFrameInPlace(f)
			if f.Header.OpCode == ws.OpPong {
				require.Equal(t, 1, frames, "behind the first frame")
				pongs += string(f.Payload)
				continue
			}
			frames++
			got = append(got, f.Payload...)
		}
		require.Equal(t, "abc", pongs)
		require.Equal(t, 10, frames)
		require.Equal(t, message, got)
	})
}

// A peer that pings and never reads gets an error in bounded time, and makes nothing grow.
func TestPingFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := rawPair(t, connConfig{client: true})
		go s.Write(background, MessageText, []byte("never taken"))
		synctest.Wait() // it has the turn
		go func() {
			for range 10_000 {
				if ws.WriteFrame(peer, ws.NewPingFrame(make([]byte, 125))) != nil {
					return
				}
			}
		}()
		go s.Read(background)
		synctest.Wait()
		s.write.mu.Lock()
		waiting := s.write.replies.Take()
		s.write.mu.Unlock()
		bytes := 0
		for _, p := range waiting.All {
			bytes += 2 + len(p)
		}
		require.NotZero(t, bytes)
		require.LessOrEqual(t, bytes, 512)
	})
	synctest.Test(t, func(t *testing.T) {
		s, peer := rawPair(t, connConfig{client: true})
		go ws.WriteFrame(peer, ws.NewPingFrame(nil))
		start := time.Now()
		_, _, err := s.Read(background)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, DefaultCloseTimeout, time.Since(start))
	})
}

func TestCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		s, peer := rawPair(t, connConfig{client: true,
			onPing: func(_ context.Context, p []byte) bool {
				got = append(got, "ping "+string(p))
				return string(p) != "silence"
			},
			onPong: func(_ context.Context, p []byte) { got = append(got, "pong "+string(p)) },
		})
		out := make(chan []byte)
		go func() {
			p, _ := io.ReadAll(peer)
			out <- p
		}()
		go func() {
			ws.WriteFrame(peer, ws.NewPingFrame([]byte("silence")))
			ws.WriteFrame(peer, ws.NewPingFrame([]byte("answer")))
			ws.WriteFrame(peer, ws.NewPongFrame([]byte("unasked")))
			ws.WriteFrame(peer, ws.NewTextFrame(nil))
		}()
		_, _, err := s.Read(background)
		require.NoError(t, err)
		require.Equal(t, []string{"ping silence", "ping answer", "pong unasked"}, got)
		s.CloseNow()
		f, err := ws.ReadFrame(bytes.NewReader(<-out))
		require.NoError(t, err)
		require.Equal(t, "answer", string(ws.UnmaskFrameInPlace(f).Payload))
	})
}

// A panic of a callback is the caller's, and leaves locks in order.
func TestCallbackPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := rawPair(t, connConfig{client: true, onPing: func(context.Context, []byte) bool { panic("mine") }})
		for range 3 {
			go func() {
				ws.WriteFrame(peer, ws.NewPingFrame(nil))
				ws.WriteFrame(peer, ws.NewTextFrame([]byte("on")))
			}()
			require.PanicsWithValue(t, "mine", func() { s.Read(background) })
			_, p, err := s.Read(background)
			require.NoError(t, err)
			require.Equal(t, "on", string(p))
		}
		go func() { // with a message half read, that is lost
			peer.Write([]byte{0x01, 1, 'a'})
			ws.WriteFrame(peer, ws.NewPingFrame(nil))
		}()
		require.PanicsWithValue(t, "mine", func() { s.Read(background) })
		_, _, err := s.Read(background)
		requirePanic(t, err)
	})
}

// Close in a callback does the handshake in place of the read that has called it.
func TestCloseInCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		var s *Conn
		s = newConn(connConfig{transport: a, onPing: func(context.Context, []byte) bool {
			s.Close(4000, "enough")
			return false
		}})
		c := newConn(connConfig{transport: b, client: true})
		ctx := c.CloseRead(background)
		go c.Ping(background)
		start := time.Now()
		_, _, err := s.Read(background)
		require.Equal(t, StatusCode(4000), CloseStatus(err))
		require.Equal(t, callbackGrace, time.Since(start))
		<-ctx.Done()
	})
}

func TestKeepAlive(t *testing.T) {
	options := ConnOptions{KeepAlive: 10 * time.Second, KeepAliveTimeout: 2 * time.Second}
	t.Run("answered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var stats Stats
			options := options
			options.Stats = &stats
			s, c := pipePair(t, options, ConnOptions{})
			s.CloseRead(background)
			c.CloseRead(background)
			time.Sleep(time.Minute + time.Second)
			require.EqualValues(t, 6, stats.PingsWritten.Load())
			require.EqualValues(t, 6, stats.PongsRead.Load())
			require.NoError(t, s.Write(background, MessageText, nil))
			s.CloseNow()
			c.CloseNow()
		})
	})
	t.Run("any byte is life", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, peer := rawPair(t, connConfig{client: true, ConnOptions: options})
			go io.Copy(io.Discard, peer) // and no pong
			s.CloseRead(background)
			for range 10 {
				time.Sleep(11 * time.Second)
				_, err := peer.Write([]byte{0x8A, 0}) // a second after the ping
				require.NoError(t, err)
			}
		})
	})
	t.Run("silence", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, peer := rawPair(t, connConfig{client: true, ConnOptions: options})
			go io.Copy(io.Discard, peer)
			start := time.Now()
			_, _, err := s.Read(background)
			require.ErrorIs(t, err, wsutil.ErrKeepAlive)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.Equal(t, 12*time.Second, time.Since(start))
		})
	})
	t.Run("nobody reads", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, peer := rawPair(t, connConfig{client: true, ConnOptions: options})
			go io.Copy(io.Discard, peer)
			time.Sleep(time.Minute) // our own slowness
			go ws.WriteFrame(peer, ws.NewTextFrame(nil))
			_, _, err := s.Read(background)
			require.NoError(t, err)
		})
	})
	t.Run("the clock starts when the ping is written", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			options := options
			options.FragmentSize = 100
			s, peer := rawPair(t, connConfig{ConnOptions: options})
			s.CloseRead(background)
			go s.Write(background, MessageBinary, make([]byte, 200))
			time.Sleep(time.Minute) // the ping is due, and waits for the end of a fragment
			require.NoError(t, s.protocol.Err())
			var ops []ws.OpCode
			for range 3 {
				f, err := ws.ReadFrame(peer)
				require.NoError(t, err)
				ops = append(ops, f.Header.OpCode)
			}
			require.Equal(t, []ws.OpCode{ws.OpBinary, ws.OpPing, ws.OpContinuation}, ops)
			time.Sleep(1999 * time.Millisecond)
			require.NoError(t, s.protocol.Err())
			time.Sleep(2 * time.Second)
			require.Error(t, s.protocol.Err())
		})
	})
	t.Run("a write is stuck", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, _ := rawPair(t, connConfig{ConnOptions: options})
			s.CloseRead(background)
			start := time.Now()
			require.ErrorIs(t, s.Write(background, MessageBinary, make([]byte, 200)), wsutil.ErrKeepAlive)
			require.Equal(t, 130*time.Second, time.Since(start))
		})
	})
	t.Run("a write is slow", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, peer := rawPair(t, connConfig{client: true, ConnOptions: options})
			s.CloseRead(background)
			wrote := make(chan error)
			go func() { wrote <- s.Write(background, MessageBinary, make([]byte, 200)) }()
			for range 20 {
				time.Sleep(time.Minute)
				_, err := peer.Write([]byte{0x8A, 0})
				require.NoError(t, err)
			}
			go io.Copy(io.Discard, peer)
			require.NoError(t, <-wrote)
			time.Sleep(11 * time.Second)
			require.NoError(t, s.protocol.Err(), "it has shown life all the time")
			time.Sleep(4 * time.Second)
			require.ErrorIs(t, s.protocol.Err(), wsutil.ErrKeepAlive)
		})
	})
	t.Run("reads under short contexts", func(t *testing.T) {
		for name, tt := range map[string]struct {
			options ConnOptions
			err     error
			after   time.Duration
		}{
			"ping": {options, wsutil.ErrKeepAlive, 12 * time.Second},
			"idle": {ConnOptions{ReadIdleTimeout: 3 * time.Second}, wsutil.ErrReadIdle, 3 * time.Second},
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, peer := rawPair(t, connConfig{client: true, ConnOptions: tt.options})
					go io.Copy(io.Discard, peer)
					start := time.Now()
					for {
						ctx, cancel := context.WithTimeout(background, 300*time.Millisecond)
						_, _, err := s.Read(ctx)
						cancel()
						if !errors.Is(err, context.DeadlineExceeded) {
							require.ErrorIs(t, err, tt.err)
							break
						}
					}
					require.Equal(t, tt.after, time.Since(start))
				})
			})
		}
	})
	t.Run("latency counts from the write", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, c := pipePair(t, options, ConnOptions{})
			s.CloseRead(background)
			time.Sleep(13 * time.Second) // nobody has taken the ping for three of them
			c.CloseRead(background)
			synctest.Wait()
			require.EqualValues(t, 1, s.pings.last)
			require.Less(t, s.Latency(), time.Second)
			require.Nil(t, s.pings.first, "it is answered")
		})
	})
}

func TestStatsAndHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stats Stats
		var log []string
		hooks := &Hooks{
			MessageRead:    func(*Conn, MessageType, int, int) { log = append(log, "read") },
			MessageWritten: func(*Conn, MessageType, int, int) { log = append(log, "written") },
			ControlRead:    func(_ *Conn, op ws.OpCode, _ StatusCode) { log = append(log, "control") },
			Closed:         func(_ *Conn, r CloseRecord) { log = append(log, "closed") },
		}
		s, c := pipePair(t, ConnOptions{Stats: &stats, Hooks: hooks}, ConnOptions{})
		go echo(c)
		require.NoError(t, s.Write(background, MessageText, []byte("12345")))
		_, _, err := s.Read(background)
		require.NoError(t, err)
		require.NoError(t, s.Close(4000, ""))
		require.Equal(t, []string{"written", "read", "control", "closed"}, log)
		require.EqualValues(t, 5, stats.BytesRead.Load())
		require.EqualValues(t, 5, stats.WireBytesWritten.Load())
		require.EqualValues(t, 1, stats.ClosesRead(4000))
		require.EqualValues(t, 1, stats.ClosesWritten(4000))
	})
}
