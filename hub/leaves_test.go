package hub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/wsutil"
)

// enterAll makes n members visible, each on a topic of its own: "room.0" and so on.
func enterAll(t *testing.T, h *hub.Hub, n int) (members []*hub.Member) {
	for i := range n {
		m, _ := join(t, h)
		_, err := m.Subscribe(background, fmt.Sprint("room.", i), &hub.SubscribeOptions{Presence: []byte("x")})
		require.NoError(t, err)
		members = append(members, m)
	}
	return members
}

// size returns how many entries a store has that have not expired.
func (s *store) size() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if e.expires.After(time.Now()) {
			n++
		}
	}
	return n
}

// A handler that ends for a thousand members while the broker is away does not wait. The
// leaves are sent when it is back; entries whose leave has failed expire.
func TestLeavesWhileBrokerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		var s store
		h := newNode(t, &s).Hub
		members := enterAll(t, h, n)
		s.set(away)
		took(t, 0, func() {
			for i, m := range members {
				if i%2 == 0 {
					require.True(t, m.Unsubscribe(fmt.Sprint("room.", i)))
				}
				m.Leave()
			}
		})
		require.Zero(t, h.Stats().Members)
		require.Zero(t, h.Stats().Topics)
		time.Sleep(hub.DefaultBrokerTimeout + time.Second)
		s.set(nil)
		pass(hub.DefaultBrokerTimeout)
		require.LessOrEqual(t, s.size(), 2*hub.MaxSenders, "those of the calls that failed")
		require.Positive(t, s.size())
		pass(hub.DefaultPresenceTTL)
		require.Zero(t, s.size())
	})
}

// Only so many leaves wait for the broker, and for no longer than their entries live.
func TestLeavesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most, more = 100, 50
		var s store
		h := newNode(t, &s).Hub
		hub.SetMaxLeaves(h, most)
		members := enterAll(t, h, most+more)
		block := make(chan struct{})
		s.set(func(context.Context, string, string) error { <-block; return nil })
		for _, m := range members {
			m.Leave()
		}
		synctest.Wait()
		close(block)
		synctest.Wait()
		require.Equal(t, more, s.size(), "those that do not fit")
		pass(hub.DefaultPresenceTTL)
		require.Zero(t, s.size())

		const inTime = hub.MaxSenders * int(hub.DefaultPresenceTTL/hub.DefaultBrokerTimeout)
		hub.SetMaxLeaves(h, 2*inTime)
		members = enterAll(t, h, 2*inTime)
		var calls atomic.Int64
		s.set(func(ctx context.Context, call, id string) error {
			calls.Add(1)
			return away(ctx, call, id)
		})
		for _, m := range members {
			m.Leave()
		}
		pass(10 * hub.DefaultPresenceTTL)
		require.EqualValues(t, inTime, calls.Load(), "none for an entry that has expired")
	})
}

// Without a limit for the calls of the broker, a leave ends with its entry.
func TestLeavesWithoutBrokerTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s store
		h := hub.New(&hub.Options{Broker: sharing{newRemote(10), &s}, BrokerTimeout: -1})
		ctx, stop := context.WithCancel(background)
		ended := make(chan error)
		go func() { ended <- h.Run(ctx) }()
		synctest.Wait()
		members := enterAll(t, h, 3*hub.MaxSenders)
		s.set(away)
		for _, m := range members {
			m.Leave()
		}
		pass(hub.DefaultPresenceTTL)
		soon, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		require.NoError(t, h.Drain(soon, 0))
		stop()
		require.NoError(t, <-ended)
	})
}

// A store that does not answer leaves time for the Leave.
func TestLeaveDespiteStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s store
		h := newNode(t, &s).Hub
		stay, f := join(t, h)
		subscribe(t, stay, "room")
		ann, _ := enter(t, h, "ann")
		synctest.Wait()
		f.take()
		s.set(away)
		ann.Leave()
		pass(hub.DefaultBrokerTimeout)
		require.Equal(t, []string{"room: leave ann"}, f.take())
	})
}

// Drain waits until the leaves are sent.
func TestDrainWaitsForLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s store
		n := newNode(t, &s)
		ann, _ := enter(t, n.Hub, "ann")
		s.set(func(context.Context, string, string) error { time.Sleep(2 * time.Second); return nil })
		ann.Leave()
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		err := n.Drain(ctx, 0)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "1 leaves still wait for the broker")
		took(t, time.Second, func() { require.NoError(t, n.Drain(background, 0)) })
		require.Zero(t, s.size())
	})
}

// A member that joins a topic again while its leave waits is there afterwards. Others get
// the Leave first.
func TestJoinAfterPendingLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s store
		h := newNode(t, &s).Hub
		ann, f := enter(t, h, "ann")
		subscribe(t, ann, "*") // gets what is sent on the topic
		busy := enterAll(t, h, hub.MaxSenders)
		f.take()
		s.set(away)
		for _, m := range busy {
			m.Leave()
		}
		synctest.Wait() // all goroutines wait for the store
		ann.Unsubscribe("room")
		synctest.Wait()
		require.Empty(t, f.take())
		s.set(nil)
		_, err := ann.Subscribe(background, "room", &hub.SubscribeOptions{Presence: []byte("again")})
		require.NoError(t, err)
		require.Equal(t, []string{"room: leave ann", "room: join again"}, f.take())
		pass(10 * hub.DefaultPresenceTTL)
		require.Equal(t, []string{"again"}, s.names("room"))
	})
}

// Members of a hub that ended without notice leave, for all receivers of the others, within
// the time that Options.PresenceTTL says, and once.
func TestMembersOfKilledHubLeave(t *testing.T) {
	const ttl = hub.DefaultPresenceTTL
	for _, alive := range []time.Duration{0, ttl / 6, ttl/3 - 7*time.Second, ttl/3 - time.Second, ttl / 3, ttl/2 + time.Second, 10 * ttl} {
		synctest.Test(t, func(t *testing.T) {
			var s store
			one := newNode(t, &s)
			time.Sleep(7 * time.Second) // the hubs do not work at the same times
			other := newNode(t, &s)
			enter(t, one.Hub, "ann")
			enter(t, one.Hub, "eve")
			_, bob := enter(t, other.Hub, "bob")
			pattern, p := join(t, other.Hub)
			subscribe(t, pattern, "*")
			_, count, err := other.Presence(background, "room", -1) // as a client asks for it
			require.NoError(t, err)
			require.Equal(t, 3, count)
			bob.take()
			pass(alive)
			one.kill()
			time.Sleep(ttl/3 + time.Second)
			require.Empty(t, bob.take(), "too early")
			pass(ttl*5/3 - ttl/3)
			got := bob.take()
			slices.Sort(got)
			require.Equal(t, []string{"room: leave ann", "room: leave eve"}, got, alive)
			require.Len(t, p.take(), 2)
			pass(10 * ttl)
			require.Empty(t, bob.take())
		})
	}
}

// A single list that lacks a member is not enough for a Leave: a replica of the store may
// be late.
func TestMemberMissingInOneList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s store
		one := newNode(t, &s) // renews and lists after 20 s, 40 s and so on
		time.Sleep(7 * time.Second)
		other := newNode(t, &s) // after 27 s, 47 s
		ann, _ := enter(t, one.Hub, "ann")
		_, bob := enter(t, other.Hub, "bob")
		_, _, err := other.Presence(background, "room", -1)
		require.NoError(t, err)
		bob.take()
		for range 3 {
			time.Sleep(14 * time.Second)
			s.mu.Lock()
			delete(s.entries, "room "+ann.ID())
			s.mu.Unlock()
			time.Sleep(26 * time.Second)
			require.Empty(t, bob.take())
			require.Equal(t, []string{"ann", "bob"}, s.names("room"))
		}
	})
}

// A hub whose entries have expired, because it could not renew them, publishes a Join when
// it can again: other hubs have delivered a Leave.
func TestJoinAfterExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s store
		one, other := newNode(t, &s), newNode(t, &s)
		ann, a := enter(t, one.Hub, "ann")
		_, bob := enter(t, other.Hub, "bob")
		for _, n := range []node{one, other} {
			_, _, err := n.Presence(background, "room", -1)
			require.NoError(t, err)
		}
		a.take()
		bob.take()
		s.set(func(_ context.Context, call, id string) error {
			if call == "set" && id == ann.ID() {
				return errors.New("the connection is lost")
			}
			return nil
		})
		pass(2 * hub.DefaultPresenceTTL)
		require.Equal(t, []string{"room: leave ann"}, bob.take())
		require.Empty(t, a.take(), "the hub of a member knows that it is there")
		s.set(nil)
		pass(hub.DefaultPresenceTTL / 3)
		require.Equal(t, []string{"room: join ann"}, a.take())
		pass(10 * hub.DefaultPresenceTTL)
		require.Empty(t, a.take())
		require.Equal(t, []string{"ann", "bob"}, s.names("room"))
	})
}

// A member that returns after it has expired is there again for the receivers of a hub that
// has missed the Join.
func TestReturnWithoutJoin(t *testing.T) {
	const ttl = hub.DefaultPresenceTTL
	synctest.Test(t, func(t *testing.T) {
		var s store
		one := newNode(t, &s) // renews after 20 s, 40 s and so on
		time.Sleep(7 * time.Second)
		other := newNode(t, &s) // lists after 27 s, 47 s
		ann, _ := enter(t, one.Hub, "ann")
		_, bob := enter(t, other.Hub, "bob")
		list := func() {
			_, _, err := other.Presence(background, "room", -1)
			require.NoError(t, err)
		}
		list()
		bob.take()
		var lost atomic.Bool
		s.set(func(_ context.Context, call, id string) error {
			if call == "set" && id == ann.ID() && lost.Load() {
				return errors.New("the connection is lost")
			}
			return nil
		})
		for range 2 {
			lost.Store(true)
			pass(2 * ttl)
			require.Equal(t, []string{"room: leave ann"}, bob.take())
			lost.Store(false) // each hub has a broker of its own: other gets no Join
			pass(15 * time.Second)
			list() // one client sees ann, the others must hear of it
			require.Empty(t, bob.take())
			pass(5 * time.Second)
			require.Equal(t, []string{"room: join ann"}, bob.take())
		}
		one.kill()
		pass(ttl * 5 / 3)
		require.Equal(t, []string{"room: leave ann"}, bob.take())
		pass(20 * ttl)
		require.Empty(t, bob.take())
	})
}

// A topic that the store cannot list in time does not keep the members of others.
func TestSlowListBesideOthers(t *testing.T) {
	const ttl = hub.DefaultPresenceTTL
	synctest.Test(t, func(t *testing.T) {
		const n = 20
		var s store
		one, other := newNode(t, &s), newNode(t, &s)
		enterAll(t, one.Hub, n)
		all, f := join(t, other.Hub)
		for i := range n {
			topic := fmt.Sprint("room.", i)
			subscribe(t, all, topic)
			_, _, err := other.Presence(background, topic, -1)
			require.NoError(t, err)
		}
		s.mu.Lock()
		s.slow = "room.7"
		s.mu.Unlock()
		one.kill()
		pass(2 * ttl)
		require.Len(t, f.take(), n-1)
	})
}

// The leaves of one member do not occupy the goroutines that send those of others, and a
// call that waits for the member's turn ends with its context.
func TestLeavesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const topics = 100
		var s store
		h := newNode(t, &s).Hub
		ann, _ := join(t, h)
		for i := range topics {
			_, err := ann.Subscribe(background, fmt.Sprint(i), &hub.SubscribeOptions{Presence: []byte("x")})
			require.NoError(t, err)
		}
		bob, _ := enter(t, h, "bob")
		var calls, most atomic.Int64
		s.set(func(ctx context.Context, call, id string) error {
			if id != ann.ID() {
				return nil
			}
			n := calls.Add(1)
			defer calls.Add(-1)
			most.Store(max(n, most.Load()))
			return away(ctx, call, id)
		})
		for i := range topics {
			ann.Unsubscribe(fmt.Sprint(i))
		}
		synctest.Wait()
		require.EqualValues(t, 1, most.Load())
		bob.Leave()
		synctest.Wait()
		require.NotContains(t, s.names("room"), "bob")
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		took(t, time.Second, func() {
			_, err := ann.Subscribe(ctx, "late", &hub.SubscribeOptions{Presence: []byte("late")})
			require.NoError(t, err)
		})
		s.set(nil)
		pass(hub.DefaultPresenceTTL / 3)
		require.Equal(t, []string{"late"}, s.names("late"), "the next renewal adds it")
		require.Equal(t, 1, s.size()-1, "and a leave that has failed expires")
	})
}

// Drained leaves no lock behind if the receiver panics.
func TestDrainedPanics(t *testing.T) {
	h := hub.New(nil)
	m, f := join(t, h)
	other, _ := join(t, h)
	subscribe(t, m, "a")
	subscribe(t, other, "a")
	f.answers(func(*hub.Message) (wsutil.SendResult, error) { return wsutil.SendDropped, nil })
	publish(t, h, "a", "1")
	f.answers(func(*hub.Message) (wsutil.SendResult, error) { panic("oops") })
	require.Panics(t, m.Drained)
	f.answers(nil)
	done := make(chan struct{})
	go func() { h.Publish(background, "a", hub.Text("2")); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("the topic is locked")
	}
}
