package brokertest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Presence tests brokers that share the presence of all hubs.
func Presence(t *testing.T, start func(t *testing.T) Server) {
	for name, test := range map[string]func(t *testing.T, s Server, one, other store){
		"members of two copies":              testMembers,
		"odd topics and members":             testOddMembers,
		"many members":                       testManyMembers,
		"a context that has ended":           testPresenceContext,
		"entries expire":                     waits(testExpiry),
		"a copy that was killed":             waits(testKilledCopy),
		"a server that has lost its entries": waits(testLostEntries),
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			test(t, s, openStore(t, s), openStore(t, s))
		})
	}
}

// waits makes a test that mostly waits run beside others.
func waits(test func(t *testing.T, s Server, one, other store)) func(t *testing.T, s Server, one, other store) {
	return func(t *testing.T, s Server, one, other store) {
		t.Parallel()
		test(t, s, one, other)
	}
}

// store is a broker that shares presence.
type store interface {
	hub.Broker
	hub.PresenceStore
}

func openStore(t *testing.T, s Server) store {
	b, ok := s.Open(t, new(Dialer)).(store)
	require.True(t, ok, "the broker is no hub.PresenceStore")
	t.Cleanup(func() { shut(t, b) })
	return b
}

// set makes members present.
func set(t *testing.T, s store, topic string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		require.NoError(t, s.SetPresence(t.Context(), topic, hub.Presence{ID: id, Data: []byte("data of " + id)}, time.Hour), "%.40q on %.40q", id, topic)
	}
}

// requireMembers checks who is on a topic.
func requireMembers(t *testing.T, s store, topic string, ids ...string) {
	t.Helper()
	members, count, err := s.Presence(t.Context(), topic, -1)
	require.NoError(t, err)
	require.Equal(t, len(ids), count)
	var want []hub.Presence
	for _, id := range ids {
		want = append(want, hub.Presence{ID: id, Data: []byte("data of " + id)})
	}
	require.ElementsMatch(t, want, members)
}

func testMembers(t *testing.T, _ Server, one, other store) {
	requireMembers(t, one, "room")
	set(t, one, "room", "ann", "bob", "ann")
	set(t, other, "room", "eve")
	set(t, other, "room.side", "dan")
	set(t, other, "room.side.table", "pat")
	for _, s := range []store{one, other} {
		requireMembers(t, s, "room", "ann", "bob", "eve")
		requireMembers(t, s, "room.side", "dan")
		for limit := range 5 {
			members, count, err := s.Presence(t.Context(), "room", limit)
			require.NoError(t, err)
			require.Equal(t, 3, count)
			require.Len(t, members, min(limit, 3))
		}
	}
	for range 2 { // also one that is not there
		require.NoError(t, other.RemovePresence(t.Context(), "room", "ann"))
	}
	require.NoError(t, other.RemovePresence(t.Context(), "nowhere", "ann"))
	requireMembers(t, one, "room", "bob", "eve")

	require.NoError(t, one.SetPresence(t.Context(), "room", hub.Presence{ID: "bob", Data: []byte("other data")}, time.Hour))
	require.NoError(t, other.RemovePresence(t.Context(), "room", "eve"))
	members, _, err := other.Presence(t.Context(), "room", 10)
	require.NoError(t, err)
	require.Equal(t, []hub.Presence{{ID: "bob", Data: []byte("other data")}}, members)
}

func testOddMembers(t *testing.T, _ Server, one, other store) {
	for _, topic := range []string{".", "..a", "a b\r\n", "=41", "€", "\x00", ">a", "a*", "{x}", "%s", "[a]?"} {
		odd := []string{"", ".", "a.b", "*", ">", "=", " \r\n\x00", "€", "{}", strings.Repeat("x", 100)}
		set(t, one, topic, odd...)
		requireMembers(t, other, topic, odd...)
	}
	for _, data := range []string{"", "\x00\xFF\r\n", strings.Repeat("x", 64<<10)} {
		require.NoError(t, one.SetPresence(t.Context(), "data", hub.Presence{ID: "a", Data: []byte(data)}, time.Hour))
		members, count, err := other.Presence(t.Context(), "data", 1)
		require.NoError(t, err)
		require.Equal(t, 1, count)
		require.Equal(t, data, string(members[0].Data))
	}
}

// testManyMembers has more members than one answer holds.
func testManyMembers(t *testing.T, _ Server, one, other store) {
	const members = 100
	data := []byte(strings.Repeat("x", 64<<10))
	for i := range members {
		require.NoError(t, one.SetPresence(t.Context(), "room", hub.Presence{ID: fmt.Sprint(i), Data: data}, time.Hour))
	}
	for _, limit := range []int{0, 1, members - 1, members, members + 1, -1} {
		got, count, err := other.Presence(t.Context(), "room", limit)
		require.NoError(t, err)
		require.Equal(t, members, count)
		seen := make(map[string]bool)
		for _, p := range got {
			require.Equal(t, data, p.Data)
			seen[p.ID] = true
		}
		want := min(limit, members)
		if limit < 0 {
			want = members
		}
		require.Len(t, got, want)
		require.Len(t, seen, want, "each once")
	}
}

func testExpiry(t *testing.T, _ Server, one, other store) {
	set(t, one, "room", "ann")
	for _, id := range []string{"short", "longer"} {
		require.NoError(t, one.SetPresence(t.Context(), "room", hub.Presence{ID: id}, time.Millisecond))
	}
	set(t, one, "room", "longer") // it was renewed
	Until(t, "the end of an entry", func() bool {
		_, count, err := other.Presence(t.Context(), "room", 0)
		require.NoError(t, err)
		return count == 2
	})
	requireMembers(t, other, "room", "ann", "longer")
}

func testPresenceContext(t *testing.T, s Server, one, _ store) {
	set(t, one, "room", "ann")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := map[string]func(ctx context.Context) error{
		"set":    func(ctx context.Context) error { return one.SetPresence(ctx, "room", hub.Presence{ID: "a"}, time.Hour) },
		"remove": func(ctx context.Context) error { return one.RemovePresence(ctx, "room", "a") },
		"list": func(ctx context.Context) error {
			_, _, err := one.Presence(ctx, "room", 1)
			return err
		},
	}
	for name, call := range calls {
		require.ErrorIs(t, call(ctx), context.Canceled, name)
	}
	s.Kill()
	for name, call := range calls {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		require.Error(t, call(ctx), name)
		cancel()
	}
}

// presenceTTL is that of hubs in tests: NATS counts in seconds.
const presenceTTL = 2 * time.Second

// testKilledCopy ends a copy without a word: its members disappear, and others get a Leave.
func testKilledCopy(t *testing.T, _ Server, one, other store) {
	anns, kill := runHub(t, one)
	bobs, _ := runHub(t, other)
	bob := visible(t, bobs, "bob")
	visible(t, anns, "ann")
	for _, h := range []*hub.Hub{anns, bobs} {
		waitFor(t, h, "ann", "bob")
	}
	kill()
	waitFor(t, bobs, "bob")
	Until(t, "the Leave", func() bool {
		_, left := bob.left.Load("ann")
		return left
	})
}

// testLostEntries takes the entries from a server: those of members that are there come
// back.
func testLostEntries(t *testing.T, s Server, one, other store) {
	anns, _ := runHub(t, one)
	bobs, _ := runHub(t, other)
	visible(t, anns, "ann")
	visible(t, bobs, "bob")
	waitFor(t, anns, "ann", "bob")
	s.Restart()
	waitFor(t, anns, "ann", "bob")
	waitFor(t, bobs, "ann", "bob")
}

// runHub runs a hub until the test ends, or the function is called that it returns.
func runHub(t *testing.T, b hub.Broker) (h *hub.Hub, kill func()) {
	h = hub.New(&hub.Options{Broker: b, PresenceTTL: presenceTTL})
	return h, Run(t, runner{b, h}, nil)
}

// runner is a broker that its hub runs.
type runner struct {
	hub.Broker
	h *hub.Hub
}

func (r runner) Run(ctx context.Context, _ hub.Handler) error { return r.h.Run(ctx) }

// visible makes a member visible until the end of the test.
func visible(t *testing.T, h *hub.Hub, name string) *nobody {
	r := new(nobody)
	m, err := h.Join(r, nil)
	require.NoError(t, err)
	t.Cleanup(m.Leave)
	_, err = m.Subscribe(t.Context(), "room", &hub.SubscribeOptions{Presence: []byte(name)})
	require.NoError(t, err)
	return r
}

// waitFor waits until these are on the topic, by what they say of themselves.
func waitFor(t *testing.T, h *hub.Hub, names ...string) {
	t.Helper()
	Until(t, fmt.Sprint(names), func() bool {
		members, count, err := h.Presence(t.Context(), "room", -1)
		if err != nil || count != len(names) || len(members) != count {
			return false
		}
		got := make(map[string]bool)
		for _, p := range members {
			got[string(p.Data)] = true
		}
		for _, name := range names {
			if !got[name] {
				return false
			}
		}
		return true
	})
}

// nobody is a receiver that accepts each message, and records only who has left.
type nobody struct{ left sync.Map } // by data

func (r *nobody) Deliver(m *hub.Message) (wsutil.SendResult, error) {
	if m.Kind == hub.Leave {
		r.left.Store(string(m.Payload), true)
	}
	return wsutil.SendSent, nil
}

func (*nobody) Replay(context.Context, *hub.Message) error { return nil }
func (*nobody) Buffered() int                              { return 0 }
func (*nobody) Close(ws.StatusCode, string) error          { return nil }
