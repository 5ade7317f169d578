package wsloop

import (
	"bufio"
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket/wstest"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// inMemory runs a test with the clock of synctest. ends tells how connections
// end, if the handler does not do that itself.
func inMemory(t *testing.T, cfg Config, h *Handler, test func(t *testing.T, s *Server, dial func() *client, ends chan End)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg.Loops, cfg.Goroutines = 1, true
		ends := make(chan End, 10) // of the bubble
		if h.Close == nil {
			h.Close = func(_ *Conn, end End) { ends <- end }
		}
		s, err := New(&cfg, h)
		require.NoError(t, err)
		defer s.Close() // also if the test fails
		l := wstest.Listen(nil)
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		var conns []net.Conn
		test(t, s, func() *client {
			conn, err := l.DialContext(t.Context(), "", "")
			require.NoError(t, err)
			conns = append(conns, conn)
			br, _, err := ws.Dialer{}.Upgrade(conn, mustURL(t, "ws://example.com/"))
			require.NoError(t, err)
			if br == nil {
				br = bufio.NewReader(conn)
			}
			return &client{t: t, Conn: conn, r: br}
		}, ends)
		for _, conn := range conns {
			conn.Close()
		}
		require.NoError(t, s.Shutdown(t.Context()))
		require.ErrorIs(t, <-served, ErrServerClosed)
	})
}

// about requires that d has passed since start, and no more than two sweeps
// besides.
func about(t *testing.T, d time.Duration, start time.Time) {
	t.Helper()
	passed := time.Since(start)
	require.GreaterOrEqual(t, passed, d)
	require.LessOrEqual(t, passed, d+2*sweepEvery)
}

func TestReadIdleTimeout(t *testing.T) {
	h := echo()
	inMemory(t, Config{ReadIdleTimeout: 10 * time.Second}, h, func(t *testing.T, s *Server, dial func() *client, ends chan End) {
		c := dial()
		time.Sleep(8 * time.Second)
		c.text("x") // a sign of life
		c.want("x")
		start := time.Now()
		c.wantClose(ws.StatusPolicyViolation)
		about(t, 10*time.Second, start)
		require.ErrorIs(t, (<-ends).Err, wsutil.ErrReadIdle)
	})
}

func TestKeepAlive(t *testing.T) {
	h := echo()
	cfg := Config{KeepAlive: 10 * time.Second, KeepAliveTimeout: 5 * time.Second}
	inMemory(t, cfg, h, func(t *testing.T, s *Server, dial func() *client, ends chan End) {
		c := dial()
		start := time.Now()
		require.Equal(t, ws.OpPing, c.next().Header.OpCode)
		about(t, 10*time.Second, start)
		c.send(ws.NewPongFrame(nil))
		start = time.Now()
		require.Equal(t, ws.OpPing, c.next().Header.OpCode)
		about(t, 10*time.Second, start)
		c.wantClose(ws.StatusPolicyViolation)
		about(t, 15*time.Second, start)
		require.ErrorIs(t, (<-ends).Err, wsutil.ErrKeepAlive)
	})
}

// A peer is not silent while the program does not listen.
func TestKeepAliveWhilePaused(t *testing.T) {
	var conn *Conn
	h := &Handler{Open: func(c *Conn) { conn = c; c.Pause() }}
	cfg := Config{KeepAlive: 10 * time.Second, KeepAliveTimeout: 5 * time.Second, ReadIdleTimeout: 20 * time.Second}
	inMemory(t, cfg, h, func(t *testing.T, s *Server, dial func() *client, ends chan End) {
		c := dial()
		require.Equal(t, ws.OpPing, c.next().Header.OpCode)
		c.send(ws.NewPongFrame(nil))
		time.Sleep(time.Hour)
		require.Empty(t, ends)
		conn.Resume()
		synctest.Wait()
		c.text("x")
		time.Sleep(time.Second)
		require.Empty(t, ends)
	})
}

func TestLifetime(t *testing.T) {
	h := echo()
	cfg := Config{Lifetime: time.Minute, LifetimeJitter: 30 * time.Second}
	inMemory(t, cfg, h, func(t *testing.T, s *Server, dial func() *client, ends chan End) {
		start := time.Now()
		var lives []time.Duration
		for range 5 {
			c := dial()
			go func() {
				c.wantClose(ws.StatusGoingAway)
				c.send(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusGoingAway, "")))
			}()
		}
		for range 5 {
			end := <-ends
			require.Equal(t, ws.StatusGoingAway, end.Code)
			lives = append(lives, time.Since(start))
		}
		require.GreaterOrEqual(t, lives[0], 30*time.Second)
		require.LessOrEqual(t, lives[4], time.Minute+2*sweepEvery)
		require.NotEqual(t, lives[0], lives[4])
	})
}

// A peer that does not answer the close frame.
func TestCloseTimeout(t *testing.T) {
	h := &Handler{Message: func(c *Conn, _ ws.OpCode, _ []byte) { c.Close(4000, "") }}
	inMemory(t, Config{CloseTimeout: 3 * time.Second}, h, func(t *testing.T, s *Server, dial func() *client, ends chan End) {
		c := dial()
		c.text("")
		start := time.Now()
		c.wantClose(4000)
		c.text("no answer")
		c.wantEnd()
		about(t, 3*time.Second, start)
		end := <-ends
		require.ErrorIs(t, end.Err, wsutil.ErrCloseTimeout)
		require.EqualValues(t, 4000, end.Code)
	})
}

// A peer that reads no bytes.
func TestWriteTimeout(t *testing.T) {
	h := &Handler{Message: func(c *Conn, _ ws.OpCode, _ []byte) {
		for r := wsutil.SendSent; r != wsutil.SendDropped; {
			r, _ = c.Send(ws.OpBinary, make([]byte, 10_000))
		}
	}}
	cfg := Config{WriteTimeout: 20 * time.Second, Queue: wsutil.SendQueueOptions{Policy: wsutil.SendDropNew}}
	synctest.Test(t, func(t *testing.T) {
		cfg.Loops, cfg.Goroutines = 1, true
		ends := make(chan End, 1)
		h.Close = func(_ *Conn, end End) { ends <- end }
		s, err := New(&cfg, h)
		require.NoError(t, err)
		a, b := net.Pipe() // takes nothing by itself
		_, err = s.Attach(b, nil, ws.Handshake{}, ws.StateServerSide, nil)
		require.NoError(t, err)
		c := &client{t: t, Conn: a, r: bufio.NewReader(a)}
		start := time.Now()
		c.text("go")
		end := <-ends
		require.ErrorIs(t, end.Err, errWriteStalled)
		about(t, 20*time.Second, start)
		require.NoError(t, s.Shutdown(t.Context()))
	})
}

func TestHandshakeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(&Config{Loops: 1, Goroutines: true, HandshakeTimeout: 4 * time.Second}, nil)
		require.NoError(t, err)
		l := wstest.Listen(nil)
		go s.Serve(l)
		conn, err := l.DialContext(t.Context(), "", "")
		require.NoError(t, err)
		start := time.Now()
		conn.Write([]byte("GET / HT"))
		_, err = conn.Read(make([]byte, 1))
		require.Error(t, err)
		about(t, 4*time.Second, start)
		require.NoError(t, s.Shutdown(t.Context()))
	})
}

// Shutdown spreads its close frames, waits for the peers, and closes those that
// do not answer when its context ends.
func TestShutdown(t *testing.T) {
	h := echo()
	cfg := Config{ShutdownSpread: 10 * time.Second, CloseTimeout: time.Hour}
	inMemory(t, cfg, h, func(t *testing.T, s *Server, dial func() *client, ends chan End) {
		start := time.Now()
		for i := range 6 {
			c := dial()
			go func() {
				c.wantClose(ws.StatusGoingAway)
				if i > 0 { // one stays
					c.send(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusGoingAway, "")))
				}
			}()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, s.Shutdown(ctx), context.DeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(start))
		synctest.Wait()
		require.Len(t, ends, 6)
		_, err := s.Attach(nopCloser{}, nil, ws.Handshake{}, ws.StateServerSide, nil)
		require.ErrorIs(t, err, ErrServerClosed)
	})
}

type nopCloser struct{}

func (nopCloser) Read([]byte) (int, error)    { select {} }
func (nopCloser) Write(p []byte) (int, error) { return len(p), nil }
func (nopCloser) Close() error                { return nil }

// Functions of Go delay the next message, the end of the connection and Close,
// and keep their order. Other connections continue.
func TestGo(t *testing.T) {
	var events []string
	var closed chan struct{}
	h := &Handler{
		Message: func(c *Conn, op ws.OpCode, p []byte) {
			text := string(p)
			events = append(events, "message "+text)
			if text == "slow" {
				for _, what := range []string{"first", "second"} {
					c.Go(func() {
						time.Sleep(time.Second)
						c.Send(op, []byte(what))
						events = append(events, "done "+what)
					})
				}
				return
			}
			c.Send(op, p)
		},
		Close: func(*Conn, End) { events = append(events, "close"); close(closed) },
	}
	inMemory(t, Config{}, h, func(t *testing.T, s *Server, dial func() *client, ends chan End) {
		closed = make(chan struct{}) // of the bubble
		slow := dial()
		slow.send(ws.NewTextFrame([]byte("slow")), ws.NewTextFrame([]byte("next")))
		start := time.Now()
		slow.want("first")
		slow.want("second")
		slow.want("next")
		require.Equal(t, 2*time.Second, time.Since(start))
		slow.text("slow")
		synctest.Wait()
		slow.Conn.Close()
		<-closed
		require.Equal(t, []string{
			"message slow", "done first", "done second", "message next",
			"message slow", "done first", "done second", "close",
		}, events)
	})
}

func TestPause(t *testing.T) {
	var conn *Conn
	h := &Handler{Message: func(c *Conn, op ws.OpCode, p []byte) {
		conn = c
		c.Send(op, p)
		c.Pause()
	}}
	inMemory(t, Config{}, h, func(t *testing.T, s *Server, dial func() *client, ends chan End) {
		c := dial()
		c.send(ws.NewTextFrame([]byte("1")), ws.NewTextFrame([]byte("2")), ws.NewTextFrame([]byte("3")))
		for _, want := range []string{"1", "2", "3"} {
			c.want(want)
			time.Sleep(time.Second)
			synctest.Wait()
			require.Zero(t, c.r.Buffered())
			conn.Resume()
		}
		c.text("4")
		c.want("4")
		conn.Close(ws.StatusNormalClosure, "") // a close frame is read although the input is held
		c.wantClose(ws.StatusNormalClosure)
		c.send(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))
		c.wantEnd()
	})
}

// A connection that arrives while Shutdown begins is also closed.
func TestShutdownMeetsNewConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(&Config{Loops: 1, Goroutines: true, CloseTimeout: time.Hour}, nil)
		require.NoError(t, err)
		defer s.Close()
		release := make(chan struct{})
		s.loops[0].do(func(*loop) { <-release })
		synctest.Wait()
		a, b := wstest.Pipe(nil)
		done := make(chan error)
		_, err = s.Attach(b, nil, ws.Handshake{}, ws.StateServerSide, nil)
		require.NoError(t, err)
		go func() { done <- s.Shutdown(t.Context()) }()
		synctest.Wait()
		close(release)
		c := &client{t: t, Conn: a, r: bufio.NewReader(a)}
		c.wantClose(ws.StatusGoingAway)
		c.send(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusGoingAway, "")))
		require.NoError(t, <-done)
	})
}
