package hub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/wsutil"
)

func TestPosition(t *testing.T) {
	for _, p := range []hub.Position{{}, {1, 0}, {0x5f3c, 17}, {1<<64 - 1, 1<<64 - 1}} {
		text, err := p.MarshalText()
		require.NoError(t, err)
		back := hub.Position{Epoch: 9}
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, p, back, string(text))
	}
	require.Equal(t, "5f3c-17", hub.Position{Epoch: 0x5f3c, Offset: 17}.String())
	for _, text := range []string{"-", "1", "1-", "-1", "x-1", "1-x", "1-18446744073709551616", "1-1-1", " 1-1"} {
		err := new(hub.Position).UnmarshalText([]byte(text))
		require.ErrorContains(t, err, "invalid position", text)
	}
}

// recover subscribes from a position, and returns what is replayed.
func recoverFrom(t *testing.T, h *hub.Hub, topic string, since hub.Position) (hub.Subscribed, []string) {
	m, f := join(t, h)
	sub, err := m.Subscribe(background, topic, &hub.SubscribeOptions{Since: since})
	require.NoError(t, err)
	m.Leave()
	return sub, f.take()
}

func TestRecover(t *testing.T) {
	h := hub.New(&hub.Options{Broker: keep(100)})
	m, f := join(t, h)
	sub, err := m.Subscribe(background, "a", nil)
	require.NoError(t, err)
	require.False(t, sub.Recovered)
	start := sub.Position
	require.False(t, start.IsZero())
	var at []hub.Position
	for i := 1; i <= 90; i++ {
		at = append(at, publish(t, h, "a", fmt.Sprint(i)))
		publish(t, h, fmt.Sprint("other", i), "x")
	}
	f.take()
	m.Leave()

	sub, got := recoverFrom(t, h, "a", start)
	require.Equal(t, hub.Subscribed{Position: at[89], Recovered: true, Replayed: at[89]}, sub)
	require.Equal(t, lines("a", 1, 90), got, "more than one step")
	sub, got = recoverFrom(t, h, "a", at[44])
	require.True(t, sub.Recovered)
	require.Equal(t, lines("a", 46, 90), got)
	sub, got = recoverFrom(t, h, "a", at[89])
	require.True(t, sub.Recovered)
	require.Empty(t, got)

	for i := 91; i <= 150; i++ {
		at = append(at, publish(t, h, "a", fmt.Sprint(i)))
	}
	sub, got = recoverFrom(t, h, "a", at[49])
	require.True(t, sub.Recovered, "the first one that is gone was seen")
	require.Equal(t, lines("a", 51, 150), got)
	for name, since := range map[string]hub.Position{
		"too old":       at[48],
		"another epoch": {Epoch: at[0].Epoch + 2, Offset: at[149].Offset},
		"the future":    {Epoch: at[0].Epoch, Offset: 1 << 60},
	} {
		sub, got = recoverFrom(t, h, "a", since)
		require.Equal(t, hub.Subscribed{Position: at[149]}, sub, name)
		require.Empty(t, got, name)
	}
	st := h.Stats()
	require.EqualValues(t, 4, st.Recovered)
	require.EqualValues(t, 3, st.NotRecovered)

	none := hub.New(nil)
	sub, _ = recoverFrom(t, none, "a", start)
	require.Equal(t, hub.Subscribed{}, sub, "no history")
}

// What ends a subscription while it replays leaves nothing behind.
func TestReplayFails(t *testing.T) {
	h := hub.New(&hub.Options{Broker: keep(10)})
	since := publish(t, h, "a", "1")
	publish(t, h, "a", "2")
	m, f := join(t, h)
	o := &hub.SubscribeOptions{Since: since}
	f.answers(func(*hub.Message) (wsutil.SendResult, error) { return wsutil.SendFailed, errClosed })
	_, err := m.Subscribe(background, "a", o)
	require.ErrorIs(t, err, errClosed)
	f.answers(nil)
	ctx, cancel := context.WithCancel(background)
	cancel()
	_, err = m.Subscribe(ctx, "a", o)
	require.ErrorIs(t, err, context.Canceled)
	f.answers(func(*hub.Message) (wsutil.SendResult, error) {
		m.Unsubscribe("a") // which no real receiver does: it stands for another goroutine
		return wsutil.SendSent, nil
	})
	_, err = m.Subscribe(background, "a", o)
	require.ErrorIs(t, err, hub.ErrLeft)
	f.answers(nil)
	_, err = m.Subscribe(background, "a", &hub.SubscribeOptions{Live: func(hub.Subscribed) bool { return false }})
	require.ErrorIs(t, err, hub.ErrLeft)
	require.Empty(t, m.Topics())
	require.Zero(t, h.Stats().Topics)
	f.take()
	_, err = m.Subscribe(background, "a", o)
	require.NoError(t, err)
	require.Equal(t, []string{"a: 2"}, f.take())
}

// Members that come from a position while others publish get each message once.
func TestRecoverWhileLive(t *testing.T) {
	const messages = 2000
	h := hub.New(&hub.Options{Broker: keep(messages)})
	start := publish(t, h, "a", "0")
	var all sync.WaitGroup
	all.Go(func() {
		for i := 1; i <= messages/2; i++ {
			publish(t, h, "a", fmt.Sprint(i))
		}
	})
	var fakes []*fake
	for range 8 {
		m, f := join(t, h)
		fakes = append(fakes, f)
		all.Go(func() {
			at := -1
			_, err := m.Subscribe(background, "a", &hub.SubscribeOptions{Since: start, Live: func(s hub.Subscribed) bool {
				f.mu.Lock()
				defer f.mu.Unlock()
				at = len(f.got)
				return s.Recovered
			}})
			require.NoError(t, err)
			require.GreaterOrEqual(t, at, 0)
		})
	}
	all.Wait()
	for _, f := range fakes {
		require.Equal(t, lines("a", 1, messages/2), f.take())
	}
}

func TestHistoryLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := hub.History{Messages: 5}
		b := hub.NewMemory(func(topic string) hub.History {
			if topic == "none" {
				return hub.History{}
			}
			return limits
		})
		h := hub.New(&hub.Options{Broker: b})
		kept := func(topic string) (all []string) {
			pubs, _, err := b.History(background, topic, hub.Position{}, -1)
			require.NoError(t, err)
			for _, p := range pubs {
				all = append(all, string(p.Payload))
			}
			return all
		}
		put := func(topic string, n int) (at hub.Position) {
			for i := 1; i <= n; i++ {
				at = publish(t, h, topic, fmt.Sprint(i))
			}
			return at
		}
		put("count", 7)
		require.Equal(t, []string{"3", "4", "5", "6", "7"}, kept("count"))
		require.Zero(t, put("none", 2))
		_, _, err := b.History(background, "none", hub.Position{}, -1)
		require.ErrorIs(t, err, hub.ErrNoHistory)

		limits = hub.History{Messages: 5, Bytes: 2 * 130}
		put("bytes", 4)
		require.Equal(t, []string{"3", "4"}, kept("bytes"))
		limits.Bytes = 1
		put("bytes", 5)
		require.Equal(t, []string{"5"}, kept("bytes"), "the newest one is kept")
		limits = hub.History{Messages: 5, Bytes: -1, Age: time.Minute}
		put("age", 2)
		time.Sleep(40 * time.Second)
		at := put("age", 1)
		time.Sleep(20 * time.Second)
		require.Equal(t, []string{"1"}, kept("age"))
		time.Sleep(time.Minute)
		require.Empty(t, kept("age"))
		sub, _ := recoverFrom(t, h, "age", at)
		require.True(t, sub.Recovered, "nothing is missing")
	})
}

// Run forgets topics whose history is too old, and positions stay valid where
// nothing is missing.
func TestHistoryIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(&hub.Options{Broker: hub.NewMemory(func(string) hub.History {
			return hub.History{Messages: 5, Age: time.Minute}
		})})
		ctx, stop := context.WithCancel(background)
		ended := make(chan error)
		go func() { ended <- h.Run(ctx) }()
		first := publish(t, h, "a", "1")
		last := publish(t, h, "a", "2")
		time.Sleep(2 * time.Minute)
		sub, got := recoverFrom(t, h, "a", last)
		require.True(t, sub.Recovered)
		require.Empty(t, got)
		sub, _ = recoverFrom(t, h, "a", first)
		require.False(t, sub.Recovered)
		third := publish(t, h, "a", "3")
		sub, got = recoverFrom(t, h, "a", last)
		require.Equal(t, hub.Subscribed{Position: third, Recovered: true, Replayed: third}, sub)
		require.Equal(t, []string{"a: 3"}, got)
		sub, _ = recoverFrom(t, h, "a", first)
		require.False(t, sub.Recovered)
		stop()
		require.NoError(t, <-ended)
	})
}

// A publication whose ID the history has is not published again.
func TestRepeatedPublication(t *testing.T) {
	h := hub.New(&hub.Options{Broker: keep(2)})
	m, f := join(t, h)
	subscribe(t, m, "a")
	put := func(id string) hub.Position {
		at, err := h.Publish(background, "a", hub.Publication{ID: id, Payload: []byte(id)})
		require.NoError(t, err)
		return at
	}
	first := put("x")
	require.Equal(t, first, put("x"))
	put("y")
	require.Equal(t, first, put("x"))
	put("z")
	require.NotEqual(t, first, put("x"), "it is gone")
	require.Equal(t, []string{"a: x", "a: y", "a: z", "a: x"}, f.take())
}

// remote is a broker of another kind: a Memory over a connection that tests
// cut.
type remote struct {
	*hub.Memory // for its history
	mu          sync.Mutex
	handler     hub.Handler
	away        chan struct{} // closed when the broker is back, or nil
	lossy       bool          // what the history has is not handed over
	wanted      []string
	fails       error  // of History
	failing     string // the topics with this prefix, of which History always fails
	ready       chan struct{}
}

func newRemote(messages int) *remote {
	r := &remote{ready: make(chan struct{})}
	r.Memory = hub.NewMemory(func(string) hub.History { return hub.History{Messages: messages} })
	return r
}

// onRemote starts a hub with a remote that keeps n messages, and a member on topic "a".
func onRemote(t *testing.T, n int) (*remote, *hub.Hub, *hub.Member, *fake) {
	r := newRemote(n)
	h := run(t, r)
	m, f := join(t, h)
	subscribe(t, m, "a")
	return r, h, m, f
}

// Publication takes what the Memory hands over.
func (r *remote) Publication(topic string, p hub.Publication) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wanted := slices.Contains(r.wanted, topic) || slices.Contains(r.wanted, "*")
	if lost := r.lossy && !p.Position.IsZero(); !lost && wanted {
		r.handler.Publication(topic, p)
	}
}

func (r *remote) Gap(topic string) { r.handler.Gap(topic) }

// wait waits while the broker is away.
func (r *remote) wait(ctx context.Context) error {
	r.mu.Lock()
	away := r.away
	r.mu.Unlock()
	if away == nil {
		return ctx.Err()
	}
	select {
	case <-away:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *remote) set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *remote) Publish(ctx context.Context, topic string, p hub.Publication) (hub.Position, error) {
	if err := r.wait(ctx); err != nil {
		return hub.Position{}, err
	}
	return r.Memory.Publish(ctx, topic, p)
}

func (r *remote) Subscribe(ctx context.Context, topic string) error {
	if err := r.wait(ctx); err != nil {
		return err
	}
	r.set(func() { r.wanted = append(r.wanted, topic) })
	return nil
}

func (r *remote) Unsubscribe(topic string) {
	r.set(func() {
		i := slices.Index(r.wanted, topic)
		r.wanted = slices.Delete(r.wanted, i, i+1)
	})
}

func (r *remote) History(ctx context.Context, topic string, since hub.Position, limit int) ([]hub.Publication, hub.Position, error) {
	if err := r.wait(ctx); err != nil {
		return nil, hub.Position{}, err
	}
	r.mu.Lock()
	err := r.fails
	if r.failing != "" && strings.HasPrefix(topic, r.failing) {
		err = errors.New("never")
	}
	r.mu.Unlock()
	if err != nil {
		return nil, hub.Position{}, err
	}
	return r.Memory.History(ctx, topic, since, limit)
}

func (r *remote) Run(ctx context.Context, h hub.Handler) error {
	r.handler = h
	hub.Serve(r.Memory, r)
	close(r.ready)
	<-ctx.Done()
	return nil
}

// run runs a hub with a remote broker.
func run(t *testing.T, r *remote) *hub.Hub {
	h, _ := runWith(t, r, r)
	return h
}

// runWith runs a hub with a broker that has r in it, until the test ends or the
// function is called that it returns.
func runWith(t *testing.T, b hub.Broker, r *remote) (h *hub.Hub, end func()) {
	h = hub.New(&hub.Options{Broker: b})
	ctx, stop := context.WithCancel(background)
	ended := make(chan error)
	go func() { ended <- h.Run(ctx) }()
	<-r.ready
	end = sync.OnceFunc(func() {
		stop()
		require.NoError(t, <-ended)
	})
	t.Cleanup(end)
	return h, end
}

// A broker that is away delays the calls that need it, up to their limit, and
// no other one.
func TestBrokerAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, h, m, f := onRemote(t, 10)
		back := make(chan struct{})
		r.set(func() { r.away = back })

		began := time.Now()
		_, err := h.Publish(background, "a", hub.Text("x"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, hub.DefaultBrokerTimeout, time.Since(began))
		var all sync.WaitGroup
		began = time.Now()
		for range 5 { // all wait for the same attempt
			all.Go(func() {
				m, _ := join(t, h)
				_, err := m.Subscribe(background, "new", nil)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, hub.DefaultBrokerTimeout, time.Since(began))
			})
		}
		all.Go(func() {
			m, _ := join(t, h)
			ctx, cancel := context.WithTimeout(background, time.Second)
			defer cancel()
			_, err := m.Subscribe(ctx, "new", nil)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, time.Second, time.Since(began))
		})
		all.Wait()
		synctest.Wait()
		require.Equal(t, 1, h.Stats().Topics)

		other, _ := join(t, h)
		subscribed := make(chan error)
		go func() {
			_, err := other.Subscribe(background, "new", nil)
			subscribed <- err
		}()
		time.Sleep(time.Second)
		close(back)
		r.set(func() { r.away = nil })
		require.NoError(t, <-subscribed)
		publish(t, h, "a", "y")
		require.Equal(t, []string{"a: y"}, f.take())
		require.Equal(t, []string{"a", "new"}, r.wanted)
		m.Leave()
		other.Leave()
		require.Empty(t, r.wanted)
	})
}

// A subscription that nobody waits for any longer is given back.
func TestAbandonedSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRemote(10)
		h := run(t, r)
		back := make(chan struct{})
		r.set(func() { r.away = back })
		m, _ := join(t, h)
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		_, err := m.Subscribe(ctx, "a", nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		close(back)
		synctest.Wait()
		require.Empty(t, r.wanted)
		require.Zero(t, h.Stats().Topics)
	})
}

// What was missed while the broker was away comes from the history, in order
// and once, or is reported.
func TestGapIsRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, h, _, f := onRemote(t, 1000)
		put := func(from, to int) {
			for i := from; i <= to; i++ {
				publish(t, h, "a", fmt.Sprint(i))
			}
		}
		put(1, 10)
		r.set(func() { r.lossy = true })
		put(11, 100)
		r.set(func() { r.lossy = false; r.fails = errors.New("not yet") })
		h.Gap("a")
		h.Gap("")
		put(101, 110)
		synctest.Wait()
		require.Equal(t, lines("a", 1, 10), f.take(), "what comes after a gap waits")
		r.set(func() { r.fails = nil })
		time.Sleep(time.Second)
		put(111, 120)
		require.Equal(t, lines("a", 11, 120), f.take())

		h.Gap("a") // nothing is missing
		time.Sleep(time.Second)
		put(121, 121)
		require.Equal(t, lines("a", 121, 121), f.take())
		require.Zero(t, h.Stats().Gaps)

		r.set(func() { r.lossy = true })
		put(122, 2000) // more than is kept
		r.set(func() { r.lossy = false; r.fails = errors.New("not yet") })
		h.Gap("a")
		put(2001, 2001)
		r.set(func() { r.fails = nil })
		time.Sleep(10 * time.Second)
		put(2002, 2002)
		require.Equal(t, []string{"a: gap", "a: 2002"}, f.take())
		require.EqualValues(t, 1, h.Stats().Gaps)
	})
}

// A history that lacks what has been handed over does not stop a topic.
func TestGapWithBadHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, h, _, f := onRemote(t, 1000)
		at := publish(t, h, "a", "1")
		r.set(func() { r.fails = errors.New("not yet") }) // until the hub has got the publication
		h.Gap("a")
		at.Offset += 10
		h.Publication("a", hub.Publication{Payload: []byte("2"), Position: at})
		r.set(func() { r.fails = nil })
		time.Sleep(time.Minute)
		at.Offset++
		h.Publication("a", hub.Publication{Payload: []byte("3"), Position: at})
		h.Publication("a", hub.Publication{Payload: []byte("3"), Position: at}) // repeated
		at = hub.Position{Epoch: at.Epoch + 1, Offset: 1}
		h.Publication("a", hub.Publication{Payload: []byte("4"), Position: at}) // the stream was lost
		require.Equal(t, []string{"a: 1", "a: gap", "a: 3", "a: gap", "a: 4"}, f.take())
	})
}

// Topics whose history fails permanently do not keep others from catching up.
func TestGapBesideBrokenTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRemote(1000)
		h := run(t, r)
		m, f := join(t, h)
		for i := range 20 {
			subscribe(t, m, fmt.Sprint("broken", i))
			publish(t, h, fmt.Sprint("broken", i), "x")
		}
		subscribe(t, m, "a")
		publish(t, h, "a", "1")
		r.set(func() { r.failing, r.lossy = "broken", true })
		publish(t, h, "a", "2")
		f.take()
		for i := range 20 {
			h.Gap(fmt.Sprint("broken", i))
		}
		h.Gap("a")
		time.Sleep(time.Minute)
		require.Equal(t, lines("a", 2, 2), f.take())
	})
}

// If the history of a topic fails permanently, what arrives is not withheld without end: it
// comes after a gap.
func TestGapWithBrokenHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, h, _, f := onRemote(t, 1000)
		publish(t, h, "a", "1")
		r.set(func() { r.failing = "a" })
		h.Gap("a")
		time.Sleep(time.Hour)
		require.Equal(t, lines("a", 1, 1), f.take(), "nothing has arrived")
		publish(t, h, "a", "2")
		time.Sleep(time.Minute)
		publish(t, h, "a", "3")
		require.Equal(t, []string{"a: gap", "a: 3"}, f.take())
		h.Gap("a")
		publish(t, h, "a", "4")
		r.set(func() { r.failing = "" })
		time.Sleep(time.Minute)
		publish(t, h, "a", "5")
		require.Equal(t, lines("a", 4, 5), f.take())
	})
}

// What arrived during an earlier gap does not end a later one.
func TestGapAfterAnotherEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, h, _, f := onRemote(t, 1000)
		at := publish(t, h, "a", "1")
		r.set(func() { r.failing = "a" })
		h.Gap("a")
		publish(t, h, "a", "2")
		r.set(func() { r.failing = "" })
		time.Sleep(time.Minute)
		require.Equal(t, lines("a", 1, 2), f.take())
		h.Publication("a", hub.Publication{Payload: []byte("3"), Position: hub.Position{Epoch: at.Epoch + 1, Offset: 1}})
		require.Equal(t, []string{"a: gap", "a: 3"}, f.take())
		r.set(func() { r.failing = "a" })
		h.Gap("a")
		time.Sleep(time.Hour)
		require.Empty(t, f.take(), "nothing has arrived")
	})
}

// withoutJoins is a broker with a Join in the stream of a topic that its history leaves
// out, as that of NATS does.
type withoutJoins struct {
	*remote
	newest hub.Position
}

func (b *withoutJoins) History(ctx context.Context, topic string, since hub.Position, limit int) ([]hub.Publication, hub.Position, error) {
	pubs, newest, err := b.remote.History(ctx, topic, since, limit)
	b.set(func() {
		if newest.Offset < b.newest.Offset {
			newest = b.newest
		}
	})
	return pubs, newest, err
}

// A position that belongs to a Join is not a gap.
func TestGapUpToJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &withoutJoins{remote: newRemote(10)}
		h, _ := runWith(t, b, b.remote)
		m, f := join(t, h)
		subscribe(t, m, "a")
		at := publish(t, h, "a", "1")
		b.set(func() { b.fails = errors.New("not yet") }) // until the hub has got the Join
		h.Gap("a")
		at.Offset++
		h.Publication("a", hub.Publication{Kind: hub.Join, Payload: []byte("ann"), ID: "1", Position: at})
		b.set(func() { b.fails, b.newest = nil, at })
		time.Sleep(time.Minute)
		at.Offset++
		h.Publication("a", hub.Publication{Payload: []byte("2"), Position: at})
		require.Equal(t, lines("a", 1, 2), f.take())
		require.Zero(t, h.Stats().Gaps)
	})
}

// Without history, receivers learn of a gap.
func TestGapIsReported(t *testing.T) {
	h := hub.New(nil)
	m, f := join(t, h)
	other, o := join(t, h)
	subscribe(t, m, "a", "b.*")
	subscribe(t, other, "c")
	h.Gap("b.*")
	require.Equal(t, []string{"b.*: gap"}, f.take())
	h.Gap("none")
	h.Gap("")
	require.ElementsMatch(t, []string{"a: gap", "b.*: gap"}, f.take())
	require.Equal(t, []string{"c: gap"}, o.take())
}
