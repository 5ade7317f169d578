package websocket

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// slowToWrite is a transport to which a write takes a millisecond.
type slowToWrite struct{ net.Conn }

func (t slowToWrite) Write(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return t.Conn.Write(p)
}

// A peer that pings faster than it can be answered keeps nobody from writing, and no call from
// returning.
func TestPingFloodLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, peer := bufferedPipe()
		s := newConn(connConfig{transport: slowToWrite{a}, client: true})
		ctx, stop := context.WithCancel(background)
		pings := ws.AppendFrame(nil, ws.NewPingFrame(make([]byte, 125)))
		flooded := make(chan struct{})
		go func() {
			defer close(flooded)
			for ctx.Err() == nil {
				peer.Write(pings)
				time.Sleep(100 * time.Microsecond)
			}
		}()
		s.CloseRead(background)
		start := time.Now()
		writers := make(chan error)
		for range 3 {
			go func() {
				for range 10 {
					if err := s.Write(background, MessageText, []byte("in between")); err != nil {
						writers <- err
						return
					}
				}
				w, err := s.Writer(background, MessageText)
				if err == nil {
					w.Write(make([]byte, 2*writerBuffer))
					err = w.Close()
				}
				writers <- err
			}()
		}
		late := time.AfterFunc(time.Minute, stop) // or else nothing would tell
		for range 3 {
			require.NoError(t, <-writers)
		}
		for range 3 { // without other waiting goroutines
			w, err := s.Writer(background, MessageText)
			require.NoError(t, err)
			_, err = w.Write(make([]byte, 2*writerBuffer))
			require.NoError(t, err)
			go func() { writers <- s.Write(background, MessageText, nil) }()
			time.Sleep(100 * time.Millisecond) // it waits for the end of the message
			require.NoError(t, w.Close())
			require.NoError(t, <-writers)
		}
		require.Less(t, time.Since(start), 5*time.Second)
		late.Stop()
		require.ErrorIs(t, s.Close(StatusNormalClosure, ""), net.ErrClosed) // the peer says nothing to that
		stop()
		<-flooded
	})
}

// Pings that are never answered are forgotten when the next one goes out by itself.
func TestUnansweredPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, peer := bufferedPipe()
		s := newConn(connConfig{transport: a, client: true, ConnOptions: ConnOptions{KeepAlive: time.Second}})
		s.CloseRead(background)
		for range 100 {
			time.Sleep(1100 * time.Millisecond)
			peer.Write([]byte{0x8A, 0}) // life, but no answer
		}
		s.pings.mu.Lock()
		waiting := 0
		for p := s.pings.first; p != nil; p = p.next {
			waiting++
		}
		s.pings.mu.Unlock()
		require.Equal(t, 1, waiting)
		s.CloseNow()
	})
}
