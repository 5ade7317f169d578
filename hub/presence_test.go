package hub_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
)

// store is a [hub.PresenceStore] in memory, which several hubs may share, with faults.
type store struct {
	mu      sync.Mutex
	entries map[string]storeEntry // by topic and ID
	fault   func(ctx context.Context, call, id string) error
	slow    string // a topic that is not listed in time
}

type storeEntry struct {
	hub.Presence
	expires time.Time
}

// set makes fault what is called before each call, with its name.
func (s *store) set(fault func(ctx context.Context, call, id string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// call changes entries, or fails.
func (s *store) call(ctx context.Context, call, id string, f func()) error {
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	if fault != nil {
		if err := fault(ctx, call, id); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	return ctx.Err()
}

func (s *store) SetPresence(ctx context.Context, topic string, p hub.Presence, ttl time.Duration) error {
	return s.call(ctx, "set", p.ID, func() {
		if s.entries == nil {
			s.entries = make(map[string]storeEntry)
		}
		s.entries[topic+" "+p.ID] = storeEntry{p, time.Now().Add(ttl)}
	})
}

func (s *store) RemovePresence(ctx context.Context, topic, id string) error {
	return s.call(ctx, "remove", id, func() { delete(s.entries, topic+" "+id) })
}

func (s *store) Presence(ctx context.Context, topic string, limit int) (members []hub.Presence, count int, err error) {
	s.mu.Lock()
	slow := topic == s.slow
	s.mu.Unlock()
	if slow {
		return nil, 0, away(ctx, "list", "")
	}
	err = s.call(ctx, "list", "", func() {
		for name, e := range s.entries {
			if !strings.HasPrefix(name, topic+" ") || !e.expires.After(time.Now()) {
				continue
			}
			if count++; limit < 0 || len(members) < limit {
				members = append(members, e.Presence)
			}
		}
	})
	return members, count, err
}

// names returns the sorted data of those who are on a topic.
func (s *store) names(topic string) []string {
	s.mu.Lock()
	members, _, _ := (&store{entries: s.entries}).Presence(background, topic, -1)
	s.mu.Unlock()
	names := []string{}
	for _, p := range members {
		names = append(names, string(p.Data))
	}
	slices.Sort(names)
	return names
}

// node is a hub of several that share a store.
type node struct {
	*hub.Hub
	kill func() // ends it without a word
}

// sharing is a broker whose presence is in a store.
type sharing struct {
	*remote
	*store
}

func newNode(t *testing.T, s *store) node {
	r := newRemote(10)
	h, end := runWith(t, sharing{r, s}, r)
	return node{h, end}
}

// enter makes a member visible on topic "room".
func enter(t *testing.T, h *hub.Hub, name string) (*hub.Member, *fake) {
	m, f := join(t, h)
	_, err := m.Subscribe(background, "room", &hub.SubscribeOptions{Presence: []byte(name)})
	require.NoError(t, err)
	return m, f
}

// away is the fault of a store that answers nothing.
func away(ctx context.Context, _, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

// took runs f and checks how long that takes.
func took(t *testing.T, want time.Duration, f func()) {
	t.Helper()
	began := time.Now()
	f()
	require.Equal(t, want, time.Since(began))
}

// pass lets time pass, and a moment more, so that all is done that was due by then.
func pass(d time.Duration) {
	time.Sleep(d + time.Millisecond)
	synctest.Wait()
}

// All hubs know the members of a topic, as long as the entries are renewed.
func TestSharedPresence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s store
		one, other := newNode(t, &s), newNode(t, &s)
		ann, _ := enter(t, one.Hub, "ann")
		enter(t, one.Hub, "eve")
		enter(t, other.Hub, "bob")
		for _, n := range []node{one, other} {
			all, count, err := n.Presence(background, "room", -1)
			require.NoError(t, err)
			require.Equal(t, 3, count)
			require.Len(t, all, 3)
			some, count, err := n.Presence(background, "room", 0)
			require.NoError(t, err)
			require.Equal(t, 3, count)
			require.Empty(t, some)
		}
		pass(10 * hub.DefaultPresenceTTL)
		require.Equal(t, []string{"ann", "bob", "eve"}, s.names("room"))
		ann.Leave()
		synctest.Wait()
		require.Equal(t, []string{"bob", "eve"}, s.names("room"))
		one.kill()
		pass(hub.DefaultPresenceTTL)
		require.Equal(t, []string{"bob"}, s.names("room"))
	})
}

// A store that is slow, fails or is away delays only the calls that need it, up to
// their limit. What it lacks comes with the next renewal, or expires.
func TestPresenceStoreFaults(t *testing.T) {
	const renewal = hub.DefaultPresenceTTL / 3
	failed := errors.New("the store has failed")
	for name, test := range map[string]func(t *testing.T, s *store, n node){
		"slow": func(t *testing.T, s *store, n node) {
			s.set(func(context.Context, string, string) error { time.Sleep(time.Second); return nil })
			var ann *hub.Member
			var f *fake
			took(t, time.Second, func() { ann, f = enter(t, n.Hub, "ann") })
			require.Equal(t, []string{"room: join ann"}, f.take())
			go ann.Unsubscribe("room")
			synctest.Wait()
			other, f := join(t, n.Hub)
			took(t, 0, func() {
				subscribe(t, other, "room", "tea")
				publish(t, n.Hub, "room", "x")
			})
			pass(time.Second)
			require.Equal(t, []string{"room: x", "room: leave ann"}, f.take())
			require.Empty(t, s.names("room"))
		},
		"away and back": func(t *testing.T, s *store, n node) {
			s.set(away)
			took(t, hub.DefaultBrokerTimeout, func() { enter(t, n.Hub, "ann") })
			took(t, hub.DefaultBrokerTimeout, func() {
				_, _, err := n.Presence(background, "room", 1)
				require.ErrorIs(t, err, hub.ErrBroker)
				require.ErrorIs(t, err, context.DeadlineExceeded)
			})
			pass(10 * hub.DefaultPresenceTTL)
			require.Empty(t, s.names("room"))
			s.set(nil)
			pass(renewal)
			require.Equal(t, []string{"ann"}, s.names("room"))
			s.set(away)
			pass(hub.DefaultPresenceTTL)
			require.Empty(t, s.names("room"))
			s.set(nil)
			pass(renewal)
			require.Equal(t, []string{"ann"}, s.names("room"))
		},
		"it fails to set": func(t *testing.T, s *store, n node) {
			s.set(func(context.Context, string, string) error { return failed })
			_, f := enter(t, n.Hub, "ann")
			require.Equal(t, []string{"room: join ann"}, f.take(), "others are told")
			_, _, err := n.Presence(background, "room", 1)
			require.ErrorIs(t, err, failed)
			require.ErrorIs(t, err, hub.ErrBroker)
			s.set(nil)
			require.Empty(t, s.names("room"))
			pass(renewal)
			require.Equal(t, []string{"ann"}, s.names("room"))
			require.Equal(t, []string{"room: join ann"}, f.take(), "lists lacked it")
		},
		"it fails to remove": func(t *testing.T, s *store, n node) {
			ann, _ := enter(t, n.Hub, "ann")
			_, f := enter(t, n.Hub, "bob")
			s.set(func(_ context.Context, call, _ string) error {
				if call == "remove" {
					return failed
				}
				return nil
			})
			ann.Leave()
			synctest.Wait()
			require.Equal(t, []string{"room: join bob", "room: leave ann"}, f.take())
			require.Equal(t, []string{"ann", "bob"}, s.names("room"))
			pass(hub.DefaultPresenceTTL)
			require.Equal(t, []string{"bob"}, s.names("room"), "it was not renewed")
		},
		"it refuses one of many": func(t *testing.T, s *store, n node) {
			bad, _ := enter(t, n.Hub, "bad")
			var want []string
			for i := range 20 {
				name := fmt.Sprintf("good %02d", i)
				enter(t, n.Hub, name)
				want = append(want, name)
			}
			s.set(func(_ context.Context, _, id string) error {
				if id == bad.ID() {
					return failed
				}
				return nil
			})
			pass(10 * hub.DefaultPresenceTTL)
			require.Equal(t, want, s.names("room"))
		},
		"it cannot": func(t *testing.T, s *store, n node) {
			s.set(func(context.Context, string, string) error { return fmt.Errorf("no: %w", errors.ErrUnsupported) })
			ann, f := enter(t, n.Hub, "ann")
			require.Equal(t, []string{"room: join ann"}, f.take())
			all, count, err := n.Presence(background, "room", -1)
			require.NoError(t, err)
			require.Equal(t, 1, count)
			require.Equal(t, []hub.Presence{{ID: ann.ID(), Data: []byte("ann")}}, all)
		},
		"the end of Run and of members while it is away": func(t *testing.T, s *store, n node) {
			var members []*hub.Member
			for i := range 5 {
				m, _ := enter(t, n.Hub, fmt.Sprint(i))
				members = append(members, m)
			}
			s.set(away)
			pass(renewal + time.Second) // into a renewal
			took(t, 0, n.kill)
			for _, m := range members {
				took(t, 0, m.Leave)
			}
			require.Zero(t, n.Stats().Members)
			pass(hub.DefaultBrokerTimeout) // the leaves end as well
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s store
				test(t, &s, newNode(t, &s))
			})
		})
	}
}

// A member that leaves while its entry is renewed does not come back.
func TestPresenceEndsDuringRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s store
		n := newNode(t, &s)
		ann, _ := enter(t, n.Hub, "ann")
		left := make(chan struct{})
		s.set(func(_ context.Context, call, _ string) error {
			if call == "remove" {
				close(left)
				return nil
			}
			go ann.Leave()
			for range 10_000 { // Leave gets as far as it can
				runtime.Gosched()
			}
			return nil
		})
		pass(hub.DefaultPresenceTTL / 3)
		<-left
		synctest.Wait()
		require.Empty(t, s.names("room"))
	})
}
