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
	c.stepping.Lock()
	defer c.stepping.Unlock()
	if c.die == nil {
		return true
	}
	if c.steps++; c.steps == c.at {
		c.dead = true
		go c.die()
		for range 100 { // it gets as far as it can
			runtime.Gosched()
		}
	}
	return !c.dead
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

// A client that dies at any step leaves nothing behind, and the others get everything.
func TestClientThatDiesAtAnyStep(t *testing.T) {
	reached := true
	for at := 1; reached; at++ {
		synctest.Test(t, func(t *testing.T) {
			var s store
			r := newRemote(100)
			c := &mortal{sharing: sharing{r, &s}, at: at}
			h, _ := runWith(t, c, r)
			stay, f := join(t, h)
			subscribe(t, stay, "a")
			since := publish(t, h, "a", "1")
			publish(t, h, "a", "2")

			liveAndDie(t, h, c, since)
			reached = c.dead

			require.Equal(t, 1, h.Stats().Members, "step %d", at)
			require.Equal(t, 1, h.Stats().Subscriptions, "step %d", at)
			require.Equal(t, 1, h.Stats().Topics+h.Stats().Patterns, "step %d", at)
			require.Equal(t, []string{"a"}, r.wanted, "step %d", at)
			require.Empty(t, s.entries, "step %d", at)
			var data []string
			joined := 0
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
			require.Zero(t, joined, "step %d", at)
			require.Equal(t, lines("a", 1, 5), data, "step %d", at)
		})
	}
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
	c.stepping.Lock()
	defer c.stepping.Unlock()
	require.True(t, c.dead || c.steps < c.at)
}
