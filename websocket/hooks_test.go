package websocket

import (
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// A panic of a hook about reading leaves the connection usable.
func TestReadHookPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hooks := &Hooks{ControlRead: func(*Conn, ws.OpCode, StatusCode) { panic("mine") }}
		s, peer := rawPair(t, connConfig{client: true, ConnOptions: ConnOptions{Hooks: hooks}})
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
	})
}

// A callback that ends its goroutine, as a failing test does, leaves the turn to others.
func TestCallbackExits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hooks := &Hooks{MessageRead: func(*Conn, MessageType, int, int) { runtime.Goexit() }}
		s, peer := rawPair(t, connConfig{client: true, ConnOptions: ConnOptions{Hooks: hooks}})
		go ws.WriteFrame(peer, ws.NewTextFrame(nil))
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			s.Read(background)
		}()
		<-gone
		go ws.WriteFrame(peer, ws.NewPingFrame(nil))
		go s.Read(background)
		f, err := ws.ReadFrame(peer)
		require.NoError(t, err)
		require.Equal(t, ws.OpPong, f.Header.OpCode)
	})
}

// A panic of a hook about writing ends the connection, and nobody waits for its turn.
func TestWriteHookPanics(t *testing.T) {
	for name, hooks := range map[string]*Hooks{
		"message": {MessageWritten: func(*Conn, MessageType, int, int) { panic("mine") }},
		"control": {ControlWritten: func(*Conn, ws.OpCode, StatusCode) { panic("mine") }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, peer := bufferedPipe()
				defer peer.Close()
				s := newConn(connConfig{transport: a, ConnOptions: ConnOptions{Hooks: hooks}})
				require.PanicsWithValue(t, "mine", func() {
					s.Write(background, MessageText, nil)
					s.Ping(background)
				})
				start := time.Now()
				requirePanic(t, s.Write(background, MessageText, nil))
				requirePanic(t, s.Close(StatusNormalClosure, ""))
				_, _, err := s.Read(background)
				requirePanic(t, err)
				require.Zero(t, time.Since(start))
			})
		})
	}
}

// Hooks may close the connection, also when it is CloseRead's goroutine that calls them.
func TestCloseInHooks(t *testing.T) {
	for name, hooks := range map[string]*Hooks{
		"read":    {ControlRead: func(c *Conn, _ ws.OpCode, _ StatusCode) { c.Close(4000, "enough") }},
		"written": {ControlWritten: func(c *Conn, _ ws.OpCode, _ StatusCode) { c.CloseNow() }},
		"closed": {Closed: func(c *Conn, _ CloseRecord) {
			c.Close(4000, "enough")
			c.CloseNow()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				s := newConn(connConfig{transport: a, ConnOptions: ConnOptions{Hooks: hooks}})
				c := newConn(connConfig{transport: b, client: true})
				ctx := s.CloseRead(background)
				c.CloseRead(background)
				start := time.Now()
				go func() {
					c.Ping(background)
					c.Close(StatusNormalClosure, "")
				}()
				<-ctx.Done()
				<-s.Done()
				require.Less(t, time.Since(start), time.Second+2*callbackGrace) // the client lingers
			})
		})
	}
}
