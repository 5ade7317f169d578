package wsloop

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

var _ websocket.Member = (*Conn)(nil)

// joins returns a handler whose connections join g.
func joins(t *testing.T, g *websocket.Group, h *Handler) *Handler {
	h.Open = func(c *Conn) {
		if err := g.JoinMember(c); err != nil {
			c.Close(ws.StatusTryAgainLater, "")
		}
		c.Send(ws.OpText, []byte("joined"))
	}
	return h
}

// member dials and waits until the connection has joined its group.
func member(t *testing.T, addr string) *client {
	t.Helper()
	c := dial(t, addr)
	c.want("joined")
	return c
}

// goroutineMember joins a connection of package websocket to g, and returns its
// peer.
func goroutineMember(t *testing.T, g *websocket.Group) *websocket.Conn {
	here, there := socketPair(t)
	c, err := websocket.NewConn(there, nil, ws.Handshake{}, ws.StateServerSide, &websocket.ConnOptions{Group: g})
	require.NoError(t, err)
	c.CloseRead(t.Context())
	t.Cleanup(func() { c.CloseNow() })
	peer, err := websocket.NewConn(here, nil, ws.Handshake{}, ws.StateClientSide, nil)
	require.NoError(t, err)
	t.Cleanup(func() { peer.CloseNow() })
	return peer
}

// One group has connections of both packages: all get what is broadcast, in the
// same order, and leave when they are over.
func TestGroupOfBothPackages(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		var g websocket.Group
		ended := make(chan struct{}, 10)
		_, addr := serve(t, cfg, joins(t, &g, &Handler{Close: func(*Conn, End) { ended <- struct{}{} }}))
		a, b := member(t, addr), member(t, addr)
		other := goroutineMember(t, &g)
		require.Equal(t, 3, g.Len())
		for _, text := range []string{"one", "two"} {
			m, err := wsutil.NewPreparedMessage(ws.OpText, []byte(text))
			require.NoError(t, err)
			taken, missed := g.Broadcast(m)
			require.Equal(t, 3, taken)
			require.Zero(t, missed)
		}
		for _, text := range []string{"one", "two"} {
			a.want(text)
			b.want(text)
			_, p, err := other.Read(t.Context())
			require.NoError(t, err)
			require.Equal(t, text, string(p))
		}
		a.Conn.Close()
		await(t, ended)
		require.Eventually(t, func() bool { return g.Len() == 2 }, 20*time.Second, time.Millisecond)
		for m := range g.Members() {
			g.LeaveMember(m)
			g.LeaveMember(m)
		}
		require.Equal(t, 1, g.Len())
		b.send(ws.NewCloseFrame(nil))
		b.wantClose(ws.StatusNoStatusRcvd)
	})
}

// Shutdown closes members of both packages with the code of the group, waits
// for them, and refuses new members.
func TestGroupShutdownOfBothPackages(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		g := websocket.Group{Code: 4001, Reason: "maintenance"}
		var closed atomic.Int64
		_, addr := serve(t, cfg, joins(t, &g, &Handler{Close: func(*Conn, End) { closed.Add(1) }}))
		a := member(t, addr)
		other := goroutineMember(t, &g)
		done := make(chan error, 1)
		go func() { done <- g.Shutdown(context.Background()) }()
		a.wantClose(4001)
		_, _, err := other.Read(t.Context())
		require.Equal(t, websocket.StatusCode(4001), websocket.CloseStatus(err))
		require.Empty(t, done, "the peer has not answered")
		a.send(ws.NewCloseFrame(ws.NewCloseFrameBody(4001, "")))
		require.NoError(t, await(t, done))
		require.EqualValues(t, 1, closed.Load(), "Close of the handler comes first")
		late := dial(t, addr)
		late.wantClose(ws.StatusTryAgainLater)
	})
}

// When the context of Shutdown ends, members on loops are closed as well.
func TestGroupShutdownEndsWithItsContext(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		var g websocket.Group
		_, addr := serve(t, cfg, joins(t, &g, &Handler{}))
		a := member(t, addr)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- g.Shutdown(ctx) }()
		a.wantClose(ws.StatusGoingAway)
		cancel()
		err := await(t, done)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "1 connections")
		a.wantEnd()
		require.Eventually(t, func() bool { return g.Len() == 0 }, 20*time.Second, time.Millisecond)
	})
}

// Drain lets a function of Go finish and send its answer.
func TestGroupDrainWaitsForGo(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		var g websocket.Group
		working, release := make(chan *Conn), make(chan struct{})
		_, addr := serve(t, cfg, joins(t, &g, &Handler{Message: func(c *Conn, op ws.OpCode, p []byte) {
			c.Go(func() {
				working <- c
				<-release
				c.Send(op, []byte("answer"))
			})
		}}))
		a := member(t, addr)
		a.text("question")
		c := await(t, working)
		done := make(chan error, 1)
		go func() { done <- g.Drain(context.Background()) }()
		require.Eventually(t, func() bool { // Drain has come to it
			c.mu.Lock()
			defer c.mu.Unlock()
			return len(c.rare.tasks) == 1
		}, 20*time.Second, time.Millisecond)
		close(release)
		a.want("answer")
		a.wantClose(ws.StatusGoingAway)
		a.send(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusGoingAway, "")))
		require.NoError(t, await(t, done))
	})
}

// A connection that is over joins no group, and functions of OnEnd are called
// once each, also if the others, or Close, do not return.
func TestOnEnd(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		conns := make(chan *Conn, 1)
		calls := make(chan string, 10)
		_, addr := serve(t, cfg, &Handler{
			Open: func(c *Conn) {
				require.True(t, c.OnEnd(1, nil), "nothing to take out")
				require.True(t, c.OnEnd(1, func() { calls <- "replaced" }))
				require.True(t, c.OnEnd(1, func() { calls <- "first"; panic("oh") }))
				require.True(t, c.OnEnd(2, func() { calls <- "second"; runtime.Goexit() }))
				require.True(t, c.OnEnd(3, func() { calls <- "taken out" }))
				require.True(t, c.OnEnd(3, nil))
				require.True(t, c.OnEnd(4, func() { calls <- "last" }))
				conns <- c
			},
			Close: func(*Conn, End) { calls <- "close"; runtime.Goexit() },
		})
		dial(t, addr).Conn.Close()
		c := await(t, conns)
		for _, want := range []string{"close", "first", "second", "last"} {
			require.Equal(t, want, await(t, calls))
		}
		require.Eventually(t, func() bool { return c.Server().Conns() == 0 }, 20*time.Second, time.Millisecond)
		require.False(t, c.OnEnd(1, func() { calls <- "too late" }))
		require.Empty(t, calls)
		var g websocket.Group
		require.ErrorContains(t, g.JoinMember(c), "closed")
		require.Zero(t, g.Len())
	})
}
