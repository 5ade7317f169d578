package websocket

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// Connections that are written to in all ways, and closed in the middle of that, hold
// nothing back and leave no goroutine.
func TestSendStress(t *testing.T) {
	noLeaks(t)
	for i := range 40 {
		a, b := tcpConns(t)
		cfg := connConfig{transport: a, ConnOptions: ConnOptions{
			Queue: SendQueueOptions{MaxBytes: 20_000, Policy: SendPolicy(i % 3)}, CloseTimeout: time.Second, FragmentSize: 1000,
		}}
		peer := connConfig{transport: b, client: true}
		if i%2 == 0 {
			cfg.flate, peer.flate = new(wsflate.Parameters), new(wsflate.Parameters)
		}
		s, c := newConn(cfg), newConn(peer)
		read := make(chan struct{})
		go func() {
			defer close(read)
			for m, err := range c.BorrowedMessages(background) {
				if err == nil && strings.Count(string(m.Data), "x") != len(m.Data) {
					t.Error("a torn message")
				}
			}
		}()
		go s.Read(background)
		var senders sync.WaitGroup
		prepared := prepare(t, strings.Repeat("x", 5000))
		for range 4 {
			senders.Go(func() {
				for range 100 {
					switch text := []byte(strings.Repeat("x", rand.IntN(3000))); rand.IntN(5) {
					case 0:
						s.Write(background, MessageText, text)
					case 1:
						s.SendKey(MessageText, text, fmt.Sprint(len(text)%3))
					case 2:
						s.SendPrepared(prepared)
					default:
						s.Send(MessageText, text)
					}
				}
			})
		}
		switch i % 4 {
		case 0:
			senders.Wait()
			s.Close(StatusNormalClosure, "")
		case 1:
			s.Close(StatusNormalClosure, "")
		case 2:
			time.AfterFunc(time.Millisecond, func() { s.CloseNow() })
		case 3:
			c.CloseNow()
		}
		senders.Wait()
		s.CloseNow()
		<-read
		c.CloseNow()
		require.Eventually(t, func() bool { return s.Buffered() == 0 }, 10*time.Second, time.Millisecond)
	}
}

// Under traffic, Drain loses no answer: what a handler has read, the client gets back.
func TestDrainUnderTraffic(t *testing.T) {
	noLeaks(t)
	g := &Group{Jitter: 10 * time.Millisecond}
	var served, answered atomic.Int64
	var running sync.WaitGroup
	for range 30 {
		a, b := tcpConns(t)
		s, err := NewConn(a, nil, ws.Handshake{}, ws.StateServerSide, &ConnOptions{Group: g})
		require.NoError(t, err)
		c := newConn(connConfig{transport: b, client: true})
		running.Go(func() {
			defer s.CloseNow()
			for {
				typ, p, err := s.Read(background)
				if err != nil {
					if err != ErrDraining {
						t.Error(err)
					}
					return
				}
				if err := s.Write(background, typ, p); err != nil {
					t.Error(err)
				}
				served.Add(1)
			}
		})
		running.Go(func() {
			defer c.CloseNow()
			for {
				c.Write(background, MessageText, []byte("request"))
				if _, _, err := c.Read(background); err != nil {
					if CloseStatus(err) != StatusGoingAway {
						t.Error(err)
					}
					return
				}
				answered.Add(1)
			}
		})
	}
	for served.Load() < 300 {
		time.Sleep(time.Millisecond)
	}
	require.NoError(t, g.Drain(t.Context()))
	running.Wait()
	require.Equal(t, served.Load(), answered.Load())
}
