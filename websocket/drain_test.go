package websocket

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// serveSlowly answers each message after 400 ms, until reading ends. It returns why.
func serveSlowly(ctx context.Context, c *Conn) error {
	defer c.CloseNow()
	for {
		typ, p, err := c.Read(ctx)
		if err != nil {
			return err
		}
		time.Sleep(400 * time.Millisecond)
		if err := c.Write(ctx, typ, p); err != nil {
			return err
		}
	}
}

// connMember is member with a Conn for the client.
func connMember(t *testing.T, g *Group, opts ConnOptions, wrap func(net.Conn) io.ReadWriteCloser) (s, c *Conn) {
	t.Helper()
	a, b := net.Pipe()
	opts.Group = g
	s, err := NewConn(wrap(a), nil, ws.Handshake{}, ws.StateServerSide, &opts)
	require.NoError(t, err)
	c = newConn(connConfig{transport: b, client: true})
	t.Cleanup(func() { c.CloseNow() })
	return s, c
}

func asItIs(c net.Conn) io.ReadWriteCloser { return c }

// A handler that works on a message answers it, those that wait for one are told, and all
// peers get the close frame of the group, although the handlers only call CloseNow.
func TestGroupDrain(t *testing.T) {
	for _, cancellable := range []bool{false, true} {
		for name, opts := range map[string]ConnOptions{"plain": {}, "timed": {ReadIdleTimeout: time.Hour, KeepAlive: time.Minute}} {
			t.Run(fmt.Sprint(name, " ", cancellable), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancel(background)
					defer cancel()
					if !cancellable {
						ctx = background
					}
					g := &Group{Code: StatusServiceRestart, Reason: "back soon"}
					ended := make(chan error, 2)
					busy, client := connMember(t, g, opts, asItIs)
					idle, other := connMember(t, g, opts, asItIs)
					for _, c := range []*Conn{busy, idle} {
						go func() { ended <- serveSlowly(ctx, c) }()
					}
					require.NoError(t, client.Write(background, MessageText, []byte("in flight")))
					synctest.Wait()
					start := time.Now()
					drained := make(chan error)
					go func() { drained <- g.Drain(background) }()
					_, err := readTexts(other)
					require.ErrorIs(t, err, CloseError{StatusServiceRestart, "back soon"})
					require.Zero(t, time.Since(start))
					texts, err := readTexts(client)
					require.ErrorIs(t, err, CloseError{StatusServiceRestart, "back soon"})
					require.Equal(t, []string{"in flight"}, texts)
					require.Equal(t, 400*time.Millisecond, time.Since(start))
					require.NoError(t, <-drained)
					require.ErrorIs(t, <-ended, ErrDraining)
					require.ErrorIs(t, <-ended, ErrDraining)
					require.True(t, busy.CloseRecord().Clean)
					require.ErrorIs(t, g.Join(busy), ErrGroupClosed)
				})
			})
		}
	}
}

// The same on sockets, whose reads wait without a buffer, and under TLS.
func TestGroupDrainSockets(t *testing.T) {
	server, client := tlsConfigs()
	for name, wrap := range map[string]func(a, b net.Conn) (net.Conn, net.Conn){
		"tcp":    func(a, b net.Conn) (net.Conn, net.Conn) { return a, b },
		"stream": func(a, b net.Conn) (net.Conn, net.Conn) { return struct{ net.Conn }{a}, b },
		"tls":    func(a, b net.Conn) (net.Conn, net.Conn) { return tls.Server(a, server), tls.Client(b, client) },
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			g := new(Group)
			x, y := tcpConns(t)
			a, b := wrap(x, y)
			c := newConn(connConfig{transport: b, client: true})
			s, err := NewConn(a, nil, ws.Handshake{}, ws.StateServerSide, &ConnOptions{Group: g})
			require.NoError(t, err)
			ended := make(chan error, 1)
			go func() {
				defer s.CloseNow()
				ended <- echo(s)
			}()
			for range 2 { // it waits for the next one then, or is about to
				require.NoError(t, c.Write(background, MessageText, []byte("echo")))
				_, _, err = c.Read(background)
				require.NoError(t, err)
			}
			told := make(chan error, 1)
			go func() {
				_, err := readTexts(c)
				told <- err
			}()
			require.NoError(t, g.Drain(t.Context()))
			require.Equal(t, StatusGoingAway, CloseStatus(<-told))
			require.ErrorIs(t, <-ended, ErrDraining)
		})
	}
}

// Messages that have arrived, and the rest of one that has begun, are read first. The
// handler chooses the code of its Close.
func TestGroupDrainReadsWhatHasArrived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(Group)
		a, peer := bufferedPipe()
		c, err := NewConn(a, nil, ws.Handshake{}, ws.StateServerSide, &ConnOptions{Group: g})
		require.NoError(t, err)
		var wire []byte
		for _, text := range []string{"one", "two", "three"} {
			wire = ws.AppendFrame(wire, ws.MaskFrame(ws.NewTextFrame([]byte(text))))
		}
		peer.Write(wire[:len(wire)-3])
		read := func(want string) {
			t.Helper()
			_, p, err := c.Read(background)
			require.NoError(t, err)
			require.Equal(t, want, string(p))
		}
		read("one")
		drained := make(chan error)
		go func() { drained <- g.Drain(background) }()
		synctest.Wait()
		read("two")
		go func() {
			time.Sleep(time.Second)
			peer.Write(wire[len(wire)-3:])
		}()
		read("three")
		for range 2 {
			_, _, err = c.Read(background)
			require.ErrorIs(t, err, ErrDraining)
		}
		require.NoError(t, c.Write(background, MessageText, []byte("bye")))
		go func() {
			f, err := ws.ReadFrame(peer)
			require.NoError(t, err)
			require.Equal(t, "bye", string(f.Payload))
			code, reason, _ := answerClose(t, peer)
			require.EqualValues(t, 4000, code)
			require.Equal(t, "mine", reason)
		}()
		require.NoError(t, c.Close(4000, "mine"))
		require.NoError(t, <-drained)
		_, _, err = c.Read(background)
		require.EqualValues(t, 4000, CloseStatus(err))
	})
}

// The context of CloseRead ends with the reason, and a Reader inside a message
// continues.
func TestGroupDrainCloseRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(Group)
		s, c := connMember(t, g, ConnOptions{}, asItIs)
		ctx := s.CloseRead(background)
		go func() {
			<-ctx.Done()
			s.CloseNow()
		}()
		go g.Drain(background)
		_, err := readTexts(c)
		require.Equal(t, StatusGoingAway, CloseStatus(err))
		require.ErrorIs(t, context.Cause(ctx), ErrDraining)
	})
}

// Connections are told at moments of their own, and serve until then.
func TestGroupDrainJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 60
		g := &Group{Jitter: time.Minute}
		times := make(chan time.Duration, n)
		start := time.Now()
		for range n {
			s, c := connMember(t, g, ConnOptions{}, asItIs)
			go serveSlowly(background, s)
			go func() {
				readTexts(c)
				times <- time.Since(start)
			}()
		}
		require.NoError(t, g.Drain(background))
		halves := [2]int{}
		for range n {
			after := <-times
			require.Less(t, after, time.Minute)
			halves[after/(30*time.Second)]++
		}
		require.Greater(t, halves[0], n/10)
		require.Greater(t, halves[1], n/10)
	})
}

// A handler that never ends, and a peer that does not answer, end with the context.
func TestGroupDrainEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(Group)
		stuck, _ := connMember(t, g, ConnOptions{}, asItIs)
		deaf, _ := connMember(t, g, ConnOptions{}, asItIs)
		go serveSlowly(background, deaf)
		ctx, cancel := context.WithTimeoutCause(background, 2*time.Second, errWhy)
		defer cancel()
		start := time.Now()
		err := g.Drain(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, errWhy)
		require.EqualError(t, err, "websocket: drain: 2 connections were closed without handshake: the cause: context deadline exceeded")
		require.Equal(t, 2*time.Second, time.Since(start))
		<-stuck.Done()
		<-deaf.Done()
		require.NoError(t, g.Drain(background), "once more")
		require.NoError(t, g.Shutdown(background))
	})
}

// Where a read cannot be interrupted, the connection is closed as by Shutdown.
func TestGroupDrainWithoutDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(Group)
		s, c := connMember(t, g, ConnOptions{}, func(c net.Conn) io.ReadWriteCloser { return struct{ rwc }{c} })
		go serveSlowly(background, s)
		go g.Drain(background)
		_, err := readTexts(c)
		require.Equal(t, StatusGoingAway, CloseStatus(err))
		<-s.Done()
	})
}

// A deadline that drain has not set ends the connection, as always.
func TestDrainMistakesNoDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(Group)
		a, b := net.Pipe()
		defer b.Close()
		c, err := NewConn(a, nil, ws.Handshake{}, ws.StateServerSide, &ConnOptions{Group: g})
		require.NoError(t, err)
		require.NoError(t, a.SetReadDeadline(longAgo))
		require.False(t, c.undrain(os.ErrDeadlineExceeded))
		require.True(t, c.drain(g))
		require.True(t, c.drain(g), "once more")
		require.False(t, c.undrain(io.EOF))
		require.True(t, c.undrain(os.ErrDeadlineExceeded))
		require.False(t, c.undrain(os.ErrDeadlineExceeded))
		require.NoError(t, a.SetReadDeadline(longAgo))
		require.ErrorIs(t, c.Close(StatusNormalClosure, ""), os.ErrDeadlineExceeded)
	})
}
