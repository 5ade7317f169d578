package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// requirePanic requires err to tell of the panic "mine", and of its stack.
func requirePanic(t *testing.T, err error) {
	t.Helper()
	p, ok := errors.AsType[*PanicError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "mine", p.Value)
	require.Contains(t, string(p.Stack), "panic", "the stack is that of the callback")
	require.ErrorContains(t, err, "mine")
	require.NotContains(t, err.Error(), "goroutine ")
}

func panicControl(want ws.OpCode) func(*Conn, ws.OpCode, StatusCode) {
	return func(_ *Conn, op ws.OpCode, _ StatusCode) {
		if op == want {
			panic("mine")
		}
	}
}

// libraryPanics are the ways to have a callback panic on a goroutine of this package:
// the options, and what makes it happen. told says that the peer gets a close frame of
// code 1011: it does unless the connection is closed when the callback is called.
var libraryPanics = map[string]struct {
	cfg  connConfig
	act  func(s *Conn, peer net.Conn)
	told bool
}{
	"CloseRead, OnPingReceived": {
		cfg: connConfig{onPing: func(context.Context, []byte) bool { panic("mine") }},
		act: func(s *Conn, peer net.Conn) {
			s.CloseRead(background)
			ws.WriteFrame(peer, ws.NewPingFrame(nil))
		},
		told: true,
	},
	"CloseRead, OnPongReceived": {
		cfg: connConfig{onPong: func(context.Context, []byte) { panic("mine") }},
		act: func(s *Conn, peer net.Conn) {
			s.CloseRead(background)
			ws.WriteFrame(peer, ws.NewPongFrame(nil))
		},
		told: true,
	},
	"CloseRead, hook of a pong that is sent": {
		cfg: connConfig{ConnOptions: ConnOptions{Hooks: &Hooks{ControlWritten: panicControl(ws.OpPong)}}},
		act: func(s *Conn, peer net.Conn) {
			s.CloseRead(background)
			ws.WriteFrame(peer, ws.NewPingFrame(nil))
		},
		told: true,
	},
	"CloseRead, hook of the peer's close frame": {
		cfg: connConfig{ConnOptions: ConnOptions{Hooks: &Hooks{ControlRead: panicControl(ws.OpClose)}}},
		act: func(s *Conn, peer net.Conn) {
			s.CloseRead(background)
			ws.WriteFrame(peer, ws.NewCloseFrame(nil))
		},
	},
	"CloseRead, hook of a close frame that is sent": {
		cfg: connConfig{ConnOptions: ConnOptions{Hooks: &Hooks{ControlWritten: panicControl(ws.OpClose)}}},
		act: func(s *Conn, peer net.Conn) {
			s.CloseRead(background)
			ws.WriteFrame(peer, ws.NewCloseFrame(nil))
		},
	},
	"CloseRead, hook of the end": {
		cfg: connConfig{ConnOptions: ConnOptions{Hooks: &Hooks{Closed: func(*Conn, CloseRecord) { panic("mine") }}}},
		act: func(s *Conn, peer net.Conn) {
			s.CloseRead(background)
			peer.Close()
		},
	},
	"timer, hook of a ping": {
		cfg: connConfig{ConnOptions: ConnOptions{
			KeepAlive: time.Second,
			Hooks:     &Hooks{ControlWritten: panicControl(ws.OpPing)},
		}},
		act:  func(s *Conn, _ net.Conn) { go s.Read(background) },
		told: true,
	},
	"timer, hook of the end": {
		cfg: connConfig{ConnOptions: ConnOptions{
			ReadIdleTimeout: time.Second,
			Hooks:           &Hooks{Closed: func(*Conn, CloseRecord) { panic("mine") }},
		}},
		act: func(s *Conn, _ net.Conn) { go s.Read(background) },
	},
	"a goroutine that replies": {
		cfg: connConfig{ConnOptions: ConnOptions{Hooks: &Hooks{ControlWritten: panicControl(ws.OpPong)}}},
		act: func(s *Conn, peer net.Conn) {
			ctx, cancel := context.WithCancel(background)
			s.transport.ReadWriteCloser.(*gatedConn).hold(cancel)
			go s.Read(ctx)
			ws.WriteFrame(peer, ws.NewPingFrame(nil))
		},
		told: true,
	},
	"a goroutine that serves a flood": {
		cfg: connConfig{ConnOptions: ConnOptions{Hooks: &Hooks{ControlWritten: panicControl(ws.OpPong)}}},
		act: func(s *Conn, _ net.Conn) {
			s.write.lock(background, forControl, nil)
			s.write.lockOrLeave(ws.OpPong, nil)
			r := s.write.unlock(0, 0, false)
			go s.serveFlood(r)
		},
		told: true,
	},
	"Group.Shutdown": {
		cfg: connConfig{ConnOptions: ConnOptions{Group: new(Group), Hooks: &Hooks{ControlWritten: panicControl(ws.OpClose)}}},
		act: func(s *Conn, _ net.Conn) {
			s.opts.Group.add(s)
			go s.opts.Group.Shutdown(background)
		},
	},
	"Group.Shutdown, hook of the end": {
		cfg: connConfig{ConnOptions: ConnOptions{Group: new(Group), Hooks: &Hooks{Closed: func(*Conn, CloseRecord) { panic("mine") }}}},
		act: func(s *Conn, peer net.Conn) {
			s.opts.Group.add(s)
			go s.opts.Group.Shutdown(background)
			peer.Close()
		},
	},
	"a context that ends in CloseContext": {
		cfg: connConfig{ConnOptions: ConnOptions{Hooks: &Hooks{Closed: func(*Conn, CloseRecord) { panic("mine") }}}},
		act: func(s *Conn, _ net.Conn) {
			ctx, cancel := context.WithCancel(background)
			go s.CloseContext(ctx, StatusNormalClosure, "")
			synctest.Wait()
			cancel()
		},
	},
	"a context that ends while a connection is turned away": {
		cfg: connConfig{ConnOptions: ConnOptions{Hooks: &Hooks{Closed: func(*Conn, CloseRecord) { panic("mine") }}}},
		act: func(s *Conn, _ net.Conn) {
			ctx, cancel := context.WithCancel(background)
			go s.turnAway(ctx, StatusNormalClosure, "")
			synctest.Wait()
			cancel()
		},
	},
}

// A callback that panics on a goroutine of this package ends its connection and not the
// process: the peer learns of it, and so does the program.
func TestPanicOnLibraryGoroutine(t *testing.T) {
	for name, way := range libraryPanics {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var panics atomic.Int32
				var told error
				hooks := new(Hooks)
				if way.cfg.Hooks != nil {
					*hooks = *way.cfg.Hooks
				}
				hooks.Panicked = func(c *Conn, err *PanicError) {
					panics.Add(1)
					told = err
					c.Close(StatusNormalClosure, "") // as any hook may
				}
				cfg := way.cfg
				cfg.Hooks, cfg.client = hooks, true
				a, peer := bufferedPipe()
				defer peer.Close()
				cfg.transport = &gatedConn{Conn: a}
				s := newConn(cfg)
				start := time.Now()
				way.act(s, peer)
				<-s.Done()
				synctest.Wait()
				require.Less(t, time.Since(start), 2*time.Second)
				require.Equal(t, int32(1), panics.Load(), "calls of the hook")
				requirePanic(t, told)
				require.Equal(t, StatusCode(-1), CloseStatus(told))

				var code StatusCode
				for {
					f, err := ws.ReadFrame(peer)
					if err != nil {
						break
					}
					if f.Header.OpCode == ws.OpClose {
						wire, _, _ := ws.ParseCloseBody(ws.UnmaskFrameInPlace(f).Payload)
						code = StatusCode(wire)
					}
				}
				if way.told {
					require.Equal(t, StatusInternalError, code)
					requirePanic(t, s.CloseRecord().Err)
					_, _, err := s.Read(background)
					requirePanic(t, err)
					requirePanic(t, s.Write(background, MessageText, nil))
				}
			})
		})
	}
}

// gatedConn is a connection whose next Write calls a function, and fails.
type gatedConn struct {
	net.Conn
	next atomic.Pointer[func()]
}

func (c *gatedConn) hold(f func()) { c.next.Store(&f) }

func (c *gatedConn) Write(p []byte) (int, error) {
	if f := c.next.Swap(nil); f != nil {
		(*f)()
		synctest.Wait()
		return 0, context.DeadlineExceeded
	}
	return c.Conn.Write(p)
}

// A panic with an error of the peer or the network is still the program's own.
func TestPanicWithError(t *testing.T) {
	for _, value := range []error{
		CloseError{4000, "not the peer's"}, io.ErrUnexpectedEOF, ws.ErrProtocolInvalidUTF8, context.Canceled,
	} {
		synctest.Test(t, func(t *testing.T) {
			a, peer := bufferedPipe()
			defer peer.Close()
			s := newConn(connConfig{transport: a, onPing: func(context.Context, []byte) bool { panic(value) }})
			ctx := s.CloseRead(background)
			ws.WriteFrame(peer, ws.MaskFrame(ws.NewPingFrame(nil)))
			<-ctx.Done()
			err := context.Cause(ctx)
			require.NotErrorIs(t, err, value)
			p, ok := errors.AsType[*PanicError](err)
			require.True(t, ok)
			require.Equal(t, value, p.Value)
			f, err := ws.ReadFrame(peer)
			require.NoError(t, err)
			code, reason := ws.ParseCloseFrameData(f.Payload)
			require.Equal(t, ws.StatusInternalServerError, code)
			require.Empty(t, reason, "the peer does not learn what the program says")
		})
	}
}

// A hook that tells of panics may panic itself.
func TestPanickedHookPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, peer := bufferedPipe()
		defer peer.Close()
		hooks := &Hooks{Panicked: func(*Conn, *PanicError) { panic("again") }}
		s := newConn(connConfig{
			transport:   a,
			onPing:      func(context.Context, []byte) bool { panic("mine") },
			ConnOptions: ConnOptions{Hooks: hooks},
		})
		ctx := s.CloseRead(background)
		ws.WriteFrame(peer, ws.MaskFrame(ws.NewPingFrame(nil)))
		<-ctx.Done()
		requirePanic(t, context.Cause(ctx))
	})
}

// Where Close reads aside, a callback may panic after Close has returned.
func TestPanicAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, peer := net.Pipe()
		defer peer.Close()
		told := make(chan error, 1)
		s := newConn(connConfig{
			transport: struct{ io.ReadWriteCloser }{a},
			onPing: func(context.Context, []byte) bool {
				time.Sleep(time.Hour)
				panic("mine")
			},
			ConnOptions: ConnOptions{Hooks: &Hooks{Panicked: func(_ *Conn, err *PanicError) { told <- err }}},
		})
		go func() {
			ws.ReadFrame(peer)
			ws.WriteFrame(peer, ws.MaskFrame(ws.NewPingFrame(nil)))
		}()
		start := time.Now()
		require.Error(t, s.Close(StatusNormalClosure, ""))
		require.Equal(t, DefaultCloseTimeout, time.Since(start))
		requirePanic(t, <-told)
	})
}

// A callback that ends its goroutine is not a panic, but the connection does
// not continue inside a message.
func TestCallbackExitsWithinMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, peer := bufferedPipe()
		defer peer.Close()
		s := newConn(connConfig{transport: a, onPing: func(context.Context, []byte) bool { runtime.Goexit(); return true }})
		ws.WriteFrame(peer, ws.MaskFrame(ws.NewFrame(ws.OpText, false, []byte("half"))))
		ws.WriteFrame(peer, ws.MaskFrame(ws.NewPingFrame(nil)))
		go s.Read(background)
		<-s.Done()
		_, _, err := s.Read(background)
		require.ErrorIs(t, err, errExited)
		f, err := ws.ReadFrame(peer)
		require.NoError(t, err)
		code, _ := ws.ParseCloseFrameData(f.Payload)
		require.Equal(t, ws.StatusInternalServerError, code)
	})
}

// A function of the caller's that dials panics where Dial was called.
func TestDialFunctionPanics(t *testing.T) {
	dial := promptly(func(context.Context, string, string) (net.Conn, error) { panic("mine") })
	require.PanicsWithValue(t, "mine", func() { dial(background, "tcp", "host:80") })
	exits := promptly(func(context.Context, string, string) (net.Conn, error) { runtime.Goexit(); return nil, nil })
	_, err := exits(background, "tcp", "host:80")
	require.ErrorIs(t, err, errExited)

	ctx, cancel := context.WithCancel(background)
	cancel()
	late := make(chan struct{})
	slow := promptly(func(context.Context, string, string) (net.Conn, error) { <-late; panic("mine") })
	_, err = slow(ctx, "tcp", "host:80")
	require.ErrorIs(t, err, context.Canceled)
	close(late) // and nobody is left to be told

	returned := make(chan struct{})
	synctest.Test(t, func(t *testing.T) { // a panic would end the process
		ctx, cancel := context.WithCancel(background)
		cancel()
		nothing := promptly(func(context.Context, string, string) (net.Conn, error) {
			defer close(returned)
			return (*tls.Conn)(nil), nil
		})
		nothing(ctx, "tcp", "host:80")
		synctest.Wait()
	})
	<-returned
}

// The stack of a panic is that of the callback, also if the panic continues in
// the caller.
func TestPanicKeepsItsStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, peer := bufferedPipe()
		defer peer.Close()
		s := newConn(connConfig{transport: a, ConnOptions: ConnOptions{Hooks: &Hooks{MessageWritten: faultyHook}}})
		require.Panics(t, func() { s.Write(background, MessageText, nil) })
		p, ok := errors.AsType[*PanicError](s.CloseRecord().Err)
		require.True(t, ok)
		require.True(t, strings.Contains(string(p.Stack), "faultyHook"), "%s", p.Stack)
	})
}

func faultyHook(*Conn, MessageType, int, int) { panic("mine") }
