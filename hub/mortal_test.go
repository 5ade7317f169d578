package hub_test

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/wsutil"
)

// mortal is the broker of a hub with a client that dies at one of the steps that broker
// and receiver go through.
type mortal struct {
	sharing
	at int // the step at which it dies

	stepping sync.Mutex
	steps    int
	die      func() // nil before the first step
	dead     bool
}

// step is called where calls of the broker and the receiver begin and end. It reports
// whether the client lives.
func (c *mortal) step() bool {
	if die := c.reaches(); die != nil {
		go die()
		for range 100 { // it gets as far as it can
			runtime.Gosched()
		}
	}
	return !c.died()
}

// reaches counts a step. It returns what happens at the step at which the client dies, and
// nil at others.
func (c *mortal) reaches() func() {
	c.stepping.Lock()
	defer c.stepping.Unlock()
	if c.die == nil {
		return nil
	}
	if c.steps++; c.steps != c.at {
		return nil
	}
	c.dead = true
	return c.die
}

// disarm makes later steps safe, and reports whether the step was reached.
func (c *mortal) disarm() bool {
	c.stepping.Lock()
	defer c.stepping.Unlock()
	c.die = nil
	return c.dead
}

// died reports whether the step was reached.
func (c *mortal) died() bool {
	c.stepping.Lock()
	defer c.stepping.Unlock()
	return c.dead
}

func (c *mortal) Publish(ctx context.Context, topic string, p hub.Publication) (hub.Position, error) {
	c.step()
	defer c.step()
	return c.sharing.Publish(ctx, topic, p)
}

func (c *mortal) Subscribe(ctx context.Context, topic string) error {
	c.step()
	defer c.step()
	return c.sharing.Subscribe(ctx, topic)
}

func (c *mortal) Unsubscribe(topic string) {
	c.step()
	defer c.step()
	c.sharing.Unsubscribe(topic)
}

func (c *mortal) History(ctx context.Context, topic string, since hub.Position, limit int) ([]hub.Publication, hub.Position, error) {
	c.step()
	defer c.step()
	return c.sharing.History(ctx, topic, since, limit)
}

func (c *mortal) SetPresence(ctx context.Context, topic string, p hub.Presence, ttl time.Duration) error {
	c.step()
	defer c.step()
	return c.sharing.SetPresence(ctx, topic, p, ttl)
}

func (c *mortal) RemovePresence(ctx context.Context, topic, id string) error {
	c.step()
	defer c.step()
	return c.sharing.RemovePresence(ctx, topic, id)
}

// deliver is the receiver of the client.
func (c *mortal) deliver(*hub.Message) (wsutil.SendResult, error) {
	if !c.step() {
		return wsutil.SendFailed, errClosed
	}
	return wsutil.SendSent, nil
}

// mortals are hubs with such a client: newMortal returns one that dies at a step.
var mortals = map[string]func(t *testing.T, at int) (*hub.Hub, *mortal){
	"another broker": func(t *testing.T, at int) (*hub.Hub, *mortal) {
		r := newRemote(100)
		c := &mortal{sharing: sharing{r, new(store)}, at: at}
		h, _ := runWith(t, c, r)
		return h, c
	},
	"the broker in memory": func(t *testing.T, at int) (*hub.Hub, *mortal) {
		c := &mortal{sharing: sharing{newRemote(0), new(store)}, at: at} // unused
		h := hub.New(&hub.Options{Broker: hub.NewMemory(func(string) hub.History {
			c.step() // where Publish and History begin
			return hub.History{Messages: 100}
		})})
		ctx, stop := context.WithCancel(background)
		ended := make(chan error)
		go func() { ended <- h.Run(ctx) }()
		t.Cleanup(func() { stop(); require.NoError(t, <-ended) })
		return h, c
	},
}

// onMortals runs a test for each step that is reached.
func onMortals(t *testing.T, test func(t *testing.T, h *hub.Hub, c *mortal)) {
	for name, newMortal := range mortals {
		t.Run(name, func(t *testing.T) {
			reached := true
			for at := 1; reached; at++ {
				synctest.Test(t, func(t *testing.T) {
					h, c := newMortal(t, at)
					test(t, h, c)
					reached = c.died()
					require.True(t, reached || c.steps < at)
				})
			}
		})
	}
}

// notes are what a receiver on topic "a" got: the data, and how many members are there
// according to joins and leaves.
func notes(t *testing.T, f *fake, at int) (data []string, joined int) {
	for _, l := range f.take() {
		switch {
		case strings.HasPrefix(l, "a: join"):
			joined++
		case strings.HasPrefix(l, "a: leave"):
			joined--
		default:
			data = append(data, l)
		}
		require.Contains(t, []int{0, 1}, joined, "step %d", at)
	}
	return data, joined
}

// A client that dies at any step leaves nothing behind, and the others get everything.
func TestClientThatDiesAtAnyStep(t *testing.T) {
	onMortals(t, func(t *testing.T, h *hub.Hub, c *mortal) {
		stay, f := join(t, h)
		subscribe(t, stay, "a")
		since := publish(t, h, "a", "1")
		publish(t, h, "a", "2")

		liveAndDie(t, h, c, since)

		require.Equal(t, 1, h.Stats().Members, "step %d", c.at)
		require.Equal(t, 1, h.Stats().Subscriptions, "step %d", c.at)
		require.Equal(t, 1, h.Stats().Topics+h.Stats().Patterns, "step %d", c.at)
		require.Subset(t, []string{"a"}, c.wanted, "step %d", c.at)
		require.Empty(t, c.entries, "step %d", c.at)
		_, count, err := h.Presence(background, "a", 0)
		require.NoError(t, err)
		require.Zero(t, count, "step %d", c.at)
		data, joined := notes(t, f, c.at)
		require.Zero(t, joined, "step %d", c.at)
		require.Equal(t, lines("a", 1, 5), data, "step %d", c.at)
	})
}

// liveAndDie is the life of the client, which may be over early.
func liveAndDie(t *testing.T, h *hub.Hub, c *mortal, since hub.Position) {
	m, f := join(t, h)
	f.answers(c.deliver)
	c.die = m.Leave
	me := []byte("me")
	m.Subscribe(background, "a", &hub.SubscribeOptions{Since: since, Presence: me})
	m.Subscribe(background, "b", nil)
	m.Subscribe(background, "*", nil)
	publish(t, h, "a", "3")
	c.remote.set(func() { c.lossy = true })
	publish(t, h, "a", "4")
	c.remote.set(func() { c.lossy = false })
	h.Gap("a")
	time.Sleep(time.Second) // it comes from the history
	m.Unsubscribe("b")
	m.Subscribe(background, "b", &hub.SubscribeOptions{Presence: me})
	time.Sleep(hub.DefaultPresenceTTL) // entries are renewed
	publish(t, h, "a", "5")
	m.Leave()
	time.Sleep(time.Second)
	synctest.Wait()
}

// comeBack subscribes, unsubscribes and subscribes again.
func comeBack(m *hub.Member) {
	m.Subscribe(background, "a", &hub.SubscribeOptions{Presence: []byte("me")})
	m.Unsubscribe("a")
	m.Subscribe(background, "a", &hub.SubscribeOptions{Presence: []byte("me")})
}

// requireSame checks that m is on topic "a" for the others, according to joins and leaves
// and to the list, if and only if it is subscribed. Then m ends the subscription.
func requireSame(t *testing.T, h *hub.Hub, m *hub.Member, others *fake, at int) {
	synctest.Wait()
	want := 0
	if m.IsSubscribed("a") {
		want = 1
	}
	_, joined := notes(t, others, at)
	require.Equal(t, want, joined, "step %d", at)
	_, count, err := h.Presence(background, "a", 0)
	require.NoError(t, err)
	require.Equal(t, want, count, "step %d", at)
	m.Unsubscribe("a")
	synctest.Wait()
	others.take()
	_, count, err = h.Presence(background, "a", 0)
	require.NoError(t, err)
	require.Zero(t, count, "step %d", at)
}

// A client that comes back on two goroutines, one of which begins at any step of the other,
// is not there in the end for the others unless it is: no Leave comes after the Join of a
// later subscription.
func TestClientThatReturnsAtAnyStep(t *testing.T) {
	for _, watched := range watchedBy {
		onMortals(t, func(t *testing.T, h *hub.Hub, c *mortal) {
			stay, f := join(t, h)
			subscribe(t, stay, watched)
			m, _ := join(t, h)
			returned := make(chan struct{})
			c.die = func() { defer close(returned); comeBack(m) }
			comeBack(m)
			if c.disarm() {
				<-returned
			}
			requireSame(t, h, m, f, c.at)
		})
	}
}

// watchedBy are what the others subscribe to. Topic "a" ends and begins with the
// subscriptions of the client if they subscribe only to the pattern.
var watchedBy = []string{"a", "*"}

// The same without an order.
func TestClientsThatReturn(t *testing.T) {
	for name, newMortal := range mortals {
		for _, watched := range watchedBy {
			t.Run(name+", "+watched, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h, _ := newMortal(t, 0)
					stay, f := join(t, h)
					subscribe(t, stay, watched)
					m, _ := join(t, h)
					for range 3000 {
						var all sync.WaitGroup
						for range 3 {
							all.Go(func() { comeBack(m) })
						}
						all.Wait()
						requireSame(t, h, m, f, 0)
					}
				})
			})
		}
	}
}
