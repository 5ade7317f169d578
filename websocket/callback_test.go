package websocket

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
)

// callbacks returns the ways in which a reading goroutine calls f, each with
// the frames that the peer must send.
func callbacks(f func(*Conn)) map[string]struct {
	cfg   connConfig
	frame ws.Frame
} {
	// That of the hook ControlRead, which comes before the callbacks for pings and pongs,
	// and beside them when Close has taken over.
	var conn atomic.Pointer[Conn]
	hooks := &Hooks{ControlRead: func(c *Conn, _ ws.OpCode, _ StatusCode) { conn.Store(c) }}
	type way = struct {
		cfg   connConfig
		frame ws.Frame
	}
	return map[string]way{
		"ping": {connConfig{
			onPing:      func(context.Context, []byte) bool { f(conn.Load()); return true },
			ConnOptions: ConnOptions{Hooks: hooks},
		}, ws.NewPingFrame(nil)},
		"pong": {connConfig{
			onPong:      func(context.Context, []byte) { f(conn.Load()) },
			ConnOptions: ConnOptions{Hooks: hooks},
		}, ws.NewPongFrame(nil)},
		"control": {connConfig{ConnOptions: ConnOptions{Hooks: &Hooks{
			ControlRead: func(c *Conn, op ws.OpCode, _ StatusCode) {
				if op != ws.OpClose {
					f(c)
				}
			},
		}}}, ws.NewPingFrame(nil)},
		"message": {connConfig{ConnOptions: ConnOptions{Hooks: &Hooks{
			MessageRead: func(c *Conn, _ MessageType, _, _ int) { f(c) },
		}}}, ws.NewTextFrame(nil)},
	}
}

// readAll reads until the connection ends.
func readAll(c *Conn) error {
	for {
		if _, _, err := c.Read(background); err != nil {
			return err
		}
	}
}

// Close waits for the peer's frame, also beside a callback of another goroutine.
func TestCloseBesideCallback(t *testing.T) {
	for name, way := range callbacks(func(*Conn) { time.Sleep(2 * time.Second) }) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				way.cfg.client = true
				s, peer := rawPair(t, way.cfg)
				go readAll(s)
				require.NoError(t, ws.WriteFrame(peer, way.frame))
				go func() {
					for {
						f, err := ws.ReadFrame(peer)
						if err != nil {
							return
						}
						if f.Header.OpCode == ws.OpClose {
							ws.WriteFrame(peer, ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "")))
							peer.Close()
						}
					}
				}()
				time.Sleep(time.Second)
				require.NoError(t, s.Close(StatusNormalClosure, ""))
				require.True(t, s.CloseRecord().Clean)
				select {
				case <-s.Done():
				default:
					require.Fail(t, "the connection is still open")
				}
				time.Sleep(2 * time.Second) // the callback ends
			})
		})
	}
}

// A callback that does not return does not keep Close from the handshake.
func TestCloseTakesOver(t *testing.T) {
	for name, way := range callbacks(func(*Conn) { time.Sleep(time.Hour) }) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := bufferedPipe()
				way.cfg.transport = a
				s := newConn(way.cfg)
				go readAll(s)
				ws.WriteFrame(b, ws.MaskFrame(way.frame))
				ws.WriteFrame(b, ws.MaskFrame(ws.NewCloseFrame(nil)))
				synctest.Wait()
				start := time.Now()
				err := s.Close(StatusNormalClosure, "")
				require.NoError(t, err, "the peer's close frame is there: Close takes over")
				require.True(t, s.CloseRecord().Clean)
				require.Less(t, time.Since(start), DefaultCloseTimeout)
				time.Sleep(2 * time.Hour) // the callback ends
			})
		})
	}
}

// A callback may close the connection: Close does the whole handshake in place of the read
// that has called, however deep in the callback the call is.
func TestCloseWithinCallback(t *testing.T) {
	for _, depth := range []int{0, 200} {
		closed := make(chan error, 1)
		var took time.Duration
		f := func(c *Conn) {
			start := time.Now()
			closed <- closeBelow(c, depth)
			took = time.Since(start)
		}
		for name, way := range callbacks(f) {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, b := bufferedPipe()
					way.cfg.transport = a
					s := newConn(way.cfg)
					defer s.CloseNow()
					c := newConn(connConfig{transport: b, client: true})
					c.CloseRead(background)
					require.NoError(t, c.turnWriteFrame(way.frame))
					err := readAll(s)
					require.NoError(t, <-closed)
					require.Equal(t, callbackGrace, took)
					require.Equal(t, StatusCode(4000), CloseStatus(err))
					require.True(t, s.CloseRecord().Clean)
					require.NoError(t, s.Close(StatusNormalClosure, ""))
				})
			})
		}
	}
}

// closeBelow closes c from so many calls below.
func closeBelow(c *Conn, depth int) error {
	if depth == 0 {
		return c.Close(4000, "enough")
	}
	return errors.Join(closeBelow(c, depth-1)) // no tail call
}

// turnWriteFrame sends f as c does.
func (c *Conn) turnWriteFrame(f ws.Frame) error {
	if err := c.lock(background, forControl); err != nil {
		return err
	}
	defer c.unlock(0, 0)
	if f.Header.OpCode.IsControl() {
		return c.writeControlFrame(f)
	}
	return c.sendSmall(background, f.Header.OpCode, f.Payload)
}

// writeControlFrame sends a ping or a pong with the write lock held.
func (c *Conn) writeControlFrame(f ws.Frame) error {
	out, err := c.protocol.AppendFragment(nil, f.Header, f.Payload)
	if err != nil {
		return err
	}
	return c.transmit(background, out, spoiled)
}

// Within the hook that tells of the peer's close frame, both are there once ours is sent.
func TestCloseInHookOfCloseFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := make(chan error, 1)
		hooks := &Hooks{ControlRead: func(c *Conn, _ ws.OpCode, _ StatusCode) { closed <- c.Close(4001, "") }}
		a, b := bufferedPipe()
		s, c := pairOver(t, a, b, ConnOptions{Hooks: hooks}, ConnOptions{})
		s.CloseRead(background)
		require.NoError(t, c.Close(4000, ""))
		<-s.Done()
		require.NoError(t, <-closed)
		require.Equal(t, StatusCode(4001), c.CloseRecord().Received)
	})
}

// A panic of a callback is that of the Close which reads, also where it reads aside.
func TestCallbackPanicsInClose(t *testing.T) {
	for name, wrap := range transports {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				defer b.Close()
				s := newConn(connConfig{
					transport: wrap(a), client: true,
					onPong: func(context.Context, []byte) { panic("mine") },
				})
				go func() {
					ws.ReadFrame(b)
					ws.WriteFrame(b, ws.NewPongFrame(nil))
				}()
				require.PanicsWithValue(t, "mine", func() { s.Close(StatusNormalClosure, "") })
				s.CloseNow()
			})
		})
	}
}

// The payload that a callback gets is its own until it returns, also if a Close has
// taken over, and has given the input back.
func TestCallbackKeepsPayload(t *testing.T) {
	for name, ping := range map[string]bool{"ping": true, "pong": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := bufferedPipe()
				var s *Conn
				got := ""
				closing := func(p []byte) {
					s.Close(StatusNormalClosure, "")
					bufpool.Poison()
					got = string(p)
				}
				cfg := connConfig{transport: a}
				frame := ws.NewPongFrame([]byte("mine until I return"))
				if ping {
					frame = ws.NewPingFrame(frame.Payload)
					cfg.onPing = func(_ context.Context, p []byte) bool { closing(p); return true }
				} else {
					cfg.onPong = func(_ context.Context, p []byte) { closing(p) }
				}
				s = newConn(cfg)
				ws.WriteFrame(b, ws.MaskFrame(frame))
				ws.WriteFrame(b, ws.MaskFrame(ws.NewCloseFrame(nil)))
				readAll(s)
				require.Equal(t, "mine until I return", got)
			})
		})
	}
}
