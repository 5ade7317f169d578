package websocket

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// prepare returns a prepared text.
func prepare(t testing.TB, text string) *PreparedMessage {
	t.Helper()
	m, err := NewPreparedMessage(MessageText, []byte(text))
	require.NoError(t, err)
	return m
}

// A connection joins and leaves groups at any time, and leaves all when it is closed.
func TestGroupJoinAndLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, red, blue := new(Group), new(Group), new(Group)
		s, c := connMember(t, all, ConnOptions{}, asItIs)
		require.NoError(t, all.Join(s), "it belongs to it already")
		require.Nil(t, s.extras.Load(), "the group of the options costs nothing")
		other, _ := pipePair(t, ConnOptions{}, ConnOptions{})
		for _, g := range []*Group{red, blue, red} {
			require.NoError(t, g.Join(s))
			require.NoError(t, g.Join(other))
		}
		require.Equal(t, []int{1, 2, 2}, []int{all.Len(), red.Len(), blue.Len()})
		red.Leave(s)
		red.Leave(s)
		all.Leave(s)
		require.Equal(t, []int{0, 1, 2}, []int{all.Len(), red.Len(), blue.Len()})
		require.NoError(t, all.Join(s), "and back")
		require.EqualError(t, (*Group)(nil).Join(s), "websocket: join: nil Group")

		go readTexts(c)
		require.NoError(t, s.Close(StatusNormalClosure, ""))
		synctest.Wait()
		require.Equal(t, []int{0, 1, 1}, []int{all.Len(), red.Len(), blue.Len()})
		err := red.Join(s)
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorContains(t, err, "websocket: join: ")
		require.Equal(t, 1, red.Len())
		for _, none := range []*Conn{nil, {}} {
			require.ErrorIs(t, red.Join(none), errNotMade)
			red.Leave(none)
		}

		other.CloseNow()
		require.Zero(t, red.Len()+blue.Len())
		require.NoError(t, red.Shutdown(background))
		s, _ = pipePair(t, ConnOptions{}, ConnOptions{})
		require.ErrorIs(t, red.Join(s), ErrGroupClosed)
		require.Empty(t, s.extras.Load().groups)
		require.NoError(t, s.protocol.Err(), "it stays open")
	})
}

// The Shutdown of one group closes a member of several, which leaves the others.
func TestShutdownOfOneRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room, other := new(Group), new(Group)
		s, c := connMember(t, other, ConnOptions{}, asItIs)
		require.NoError(t, room.Join(s))
		go room.Shutdown(background)
		_, err := readTexts(c)
		require.Equal(t, StatusGoingAway, CloseStatus(err))
		<-s.Done()
		synctest.Wait()
		require.Zero(t, other.Len())
		require.False(t, other.closing())
	})
}

// Of ten clients, one does not read: the others get all messages at once, and it is closed.
func TestBroadcastWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(Group)
		var arrived atomic.Int32
		var deaf *Conn
		for range 10 {
			s, c := connMember(t, g, ConnOptions{}, asItIs)
			s.CloseRead(background)
			c.SetReadLimit(-1)
			if deaf == nil {
				deaf = s
				continue
			}
			go func() {
				texts, _ := readTexts(c)
				arrived.Add(int32(len(texts)))
			}()
		}
		m := prepare(t, strings.Repeat("x", 32<<10))
		start := time.Now()
		missed := 0
		for i := range 130 {
			taken, lost := g.Broadcast(m)
			require.Equal(t, 10, taken+lost)
			if i == 0 {
				require.Equal(t, 10, taken)
			}
			missed += lost
			synctest.Wait()
		}
		require.Zero(t, time.Since(start))
		require.Equal(t, 128, missed, "those of the deaf one, after two of 32 KiB")
		<-deaf.Done()
		synctest.Wait() // it leaves the group after that
		require.ErrorIs(t, deaf.CloseRecord().Err, ErrSendQueueFull)
		require.Equal(t, 9, g.Len())
		require.NoError(t, g.Shutdown(background))
		synctest.Wait()
		require.EqualValues(t, 9*130, arrived.Load())
	})
}

// A broadcast with a key replaces what waits.
func TestBroadcastKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(Group)
		taken, missed := g.Broadcast(prepare(t, "nobody"))
		require.Zero(t, taken+missed)
		_, c := connMember(t, g, ConnOptions{}, asItIs)
		g.Broadcast(prepare(t, "first"))
		synctest.Wait()
		for i := range 1000 {
			taken, missed = g.BroadcastKey(prepare(t, fmt.Sprint(i)), "price")
			require.Equal(t, []int{1, 0}, []int{taken, missed})
		}
		taken, missed = g.Broadcast(nil)
		require.Equal(t, []int{0, 1}, []int{taken, missed})
		go g.Shutdown(background)
		texts, _ := readTexts(c)
		require.Equal(t, []string{"first", "999"}, texts)
	})
}

// All members get the messages of several senders in the same order.
func TestBroadcastOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(Group)
		results := make(chan []string, 5)
		for range cap(results) {
			_, c := connMember(t, g, ConnOptions{Queue: SendQueueOptions{MaxMessages: -1}}, asItIs)
			go func() {
				texts, _ := readTexts(c)
				results <- texts
			}()
		}
		var senders sync.WaitGroup
		for i := range 4 {
			senders.Go(func() {
				for j := range 50 {
					g.Broadcast(prepare(t, fmt.Sprint(i, " ", j)))
				}
			})
		}
		senders.Wait()
		require.NoError(t, g.Shutdown(background))
		want := <-results
		require.Len(t, want, 200)
		for range cap(results) - 1 {
			require.Equal(t, want, <-results)
		}
	})
}

// Members that come, go and are closed while others broadcast leave nothing behind.
func TestGroupsUnderStress(t *testing.T) {
	noLeaks(t)
	groups := []*Group{{}, {}, {}}
	m := prepare(t, "news")
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for range 20 {
				a, b := net.Pipe()
				go io.Copy(io.Discard, b)
				s := newConn(connConfig{transport: a})
				var actions sync.WaitGroup
				for _, g := range groups {
					actions.Go(func() {
						g.Join(s)
						g.Broadcast(m)
						if rand.IntN(2) == 0 {
							g.Leave(s)
						}
					})
				}
				actions.Go(func() { s.CloseNow() })
				actions.Wait()
				b.Close()
				if n := len(s.extras.Load().groups); n > 0 {
					t.Errorf("%d groups are left", n)
				}
			}
		})
	}
	running.Wait()
	for _, g := range groups {
		require.Zero(t, g.Len())
		require.NoError(t, g.Drain(background))
	}
}
