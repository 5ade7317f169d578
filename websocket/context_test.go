package websocket

import (
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
)

// rawServer returns a connection of ours and the transport of its peer, a server that
// speaks as the test likes.
func rawPair(t testing.TB, cfg connConfig) (*Conn, net.Conn) {
	a, b := net.Pipe()
	cfg.transport = a
	c := newConn(cfg)
	t.Cleanup(func() { b.Close(); c.CloseNow() })
	return c, b
}

var errWhy = errors.New("the cause")

// A context that ends while a read waits leaves the connection usable; deadline and cancel
// are told apart, and the cause is in the error.
func TestReadContextBetweenMessages(t *testing.T) {
	for name, end := range map[string]struct {
		ctx func() (context.Context, func())
		err error
	}{
		"cancelled": {func() (context.Context, func()) {
			ctx, cancel := context.WithCancelCause(background)
			time.AfterFunc(time.Second, func() { cancel(errWhy) })
			return ctx, func() {}
		}, context.Canceled},
		"deadline": {func() (context.Context, func()) {
			ctx, cancel := context.WithDeadlineCause(background, time.Now().Add(time.Second), errWhy)
			return ctx, cancel
		}, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c := pipePair(t, ConnOptions{}, ConnOptions{})
				for range 3 {
					ctx, cancel := end.ctx()
					_, _, err := s.Read(ctx)
					require.ErrorIs(t, err, end.err)
					require.ErrorIs(t, err, errWhy)
					require.ErrorContains(t, err, stillOpen)
					_, _, err = s.Read(ctx)
					require.ErrorIs(t, err, end.err)
					cancel()

					go c.Write(background, MessageText, []byte("on we go"))
					_, p, err := s.Read(background)
					require.NoError(t, err)
					require.Equal(t, "on we go", string(p))
				}
			})
		})
	}
}

// A context that ends with a message half read closes the connection.
func TestReadContextWithinMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := rawPair(t, connConfig{client: true})
		go func() {
			peer.Write([]byte{0x01, 3, 'a', 'b', 'c'}) // a fragment, and no more
			io.Copy(io.Discard, peer)
		}()
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		_, _, err := s.Read(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, withinMessage)
		for range 3 {
			_, _, again := s.Read(background)
			require.Same(t, err, again)
		}
		require.Error(t, s.Write(background, MessageText, nil))
		<-s.Done()
	})
}

// An incomplete header is not a message yet.
func TestReadContextWithinHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := rawPair(t, connConfig{client: true})
		go peer.Write([]byte{0x81})
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		_, _, err := s.Read(ctx)
		require.ErrorContains(t, err, stillOpen)
		go peer.Write([]byte{2, 'h', 'i'})
		_, p, err := s.Read(background)
		require.NoError(t, err)
		require.Equal(t, "hi", string(p))
	})
}

// The end of a context that is no longer in use reaches no later read.
func TestStaleContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := pipePair(t, ConnOptions{}, ConnOptions{})
		ctx, cancel := context.WithCancel(background)
		for range 3 { // registered, and kept
			go c.Write(background, MessageText, nil)
			_, _, err := s.Read(ctx)
			require.NoError(t, err)
		}
		read := make(chan error)
		go func() {
			_, _, err := s.Read(background)
			read <- err
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		select {
		case err := <-read:
			t.Fatal(err)
		default:
		}
		require.NoError(t, c.Write(background, MessageText, nil))
		require.NoError(t, <-read)
		_, _, err := s.Read(ctx)
		require.ErrorIs(t, err, context.Canceled)
	})
}

// Without deadlines, the end of a context closes the transport.
func TestContextWithoutDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		s := newConn(connConfig{transport: struct{ io.ReadWriteCloser }{a}})
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		_, _, err := s.Read(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, withoutDeadlines)
		<-s.Done()
	})
}

func TestWriteContext(t *testing.T) {
	t.Run("ended before", func(t *testing.T) {
		s, _ := pipePair(t, ConnOptions{}, ConnOptions{})
		ctx, cancel := context.WithCancelCause(background)
		cancel(errWhy)
		for _, err := range []error{s.Write(ctx, MessageText, nil), s.Ping(ctx)} {
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, errWhy)
		}
	})
	t.Run("nothing written", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, c := pipePair(t, ConnOptions{}, ConnOptions{})
			ctx, cancel := context.WithTimeout(background, time.Second)
			defer cancel()
			err := s.Write(ctx, MessageText, []byte("lost"))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, stillOpen)
			go s.Write(background, MessageText, []byte("found"))
			_, p, err := c.Read(background)
			require.NoError(t, err)
			require.Equal(t, "found", string(p))
		})
	})
	t.Run("half a frame", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, peer := rawPair(t, connConfig{})
			go io.ReadFull(peer, make([]byte, 5))
			ctx, cancel := context.WithTimeout(background, time.Second)
			defer cancel()
			err := s.Write(ctx, MessageText, []byte("interrupted"))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, withinFrame)
			require.Equal(t, err, s.Write(background, MessageText, nil))
			_, _, err = s.Read(background)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
	})
	t.Run("a pong on behalf of a read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, peer := rawPair(t, connConfig{client: true})
			go ws.WriteFrame(peer, ws.NewPingFrame([]byte("owed")))
			ctx, cancel := context.WithTimeout(background, time.Second)
			defer cancel()
			_, _, err := s.Read(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, stillOpen)
			f, err := ws.ReadFrame(peer)
			require.NoError(t, err)
			require.Equal(t, ws.OpPong, f.Header.OpCode)
			require.Equal(t, "owed", string(ws.UnmaskFrame(f).Payload))
		})
	})
	t.Run("between frames", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, peer := rawPair(t, connConfig{ConnOptions: ConnOptions{FragmentSize: 10}})
			go io.ReadFull(peer, make([]byte, 12))
			ctx, cancel := context.WithTimeout(background, time.Second)
			defer cancel()
			err := s.Write(ctx, MessageText, []byte("interrupted"))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, withinMessage)
		})
	})
	t.Run("waiting for the turn", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, c := pipePair(t, ConnOptions{}, ConnOptions{})
			go s.Write(background, MessageText, []byte("first"))
			synctest.Wait()
			ctx, cancel := context.WithTimeout(background, time.Second)
			defer cancel()
			err := s.Write(ctx, MessageText, []byte("second"))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, stillOpen)
			_, p, err := c.Read(background)
			require.NoError(t, err)
			require.Equal(t, "first", string(p))
		})
	})
}

// The times of the options need no context.
func TestTimeouts(t *testing.T) {
	t.Run("write", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, _ := rawPair(t, connConfig{ConnOptions: ConnOptions{WriteTimeout: time.Second}})
			start := time.Now()
			err := s.Write(background, MessageText, []byte("nobody reads"))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.Equal(t, time.Second, time.Since(start))
			<-s.Done()
		})
	})
	t.Run("read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, c := pipePair(t, ConnOptions{ReadIdleTimeout: time.Second}, ConnOptions{})
			go func() {
				for range 5 {
					time.Sleep(900 * time.Millisecond)
					c.Write(background, MessageText, nil)
				}
				c.CloseRead(background)
			}()
			for range 5 {
				_, _, err := s.Read(background)
				require.NoError(t, err)
				time.Sleep(5 * time.Second) // our own slowness is not the peer's
			}
			start := time.Now()
			_, _, err := s.Read(background)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.Equal(t, time.Second, time.Since(start))
		})
	})
}

// What http.Server or a program has left of deadlines is not ours to clear; ours do not stay.
func TestInterruptLeavesNoDeadline(t *testing.T) {
	a, b := tcpConns(t)
	s := newConn(connConfig{transport: a})
	c := newConn(connConfig{transport: b, client: true})
	defer c.CloseNow()
	defer s.CloseNow()
	for range 100 {
		ctx, cancel := context.WithTimeout(background, time.Millisecond)
		_, _, err := s.Read(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cancel()
		require.NoError(t, c.Write(background, MessageText, nil))
		_, _, err = s.Read(background)
		require.NoError(t, err)
	}
}
