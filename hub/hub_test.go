package hub_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

func TestTopics(t *testing.T) {
	h := hub.New(nil)
	ann, a := join(t, h)
	bob, b := join(t, h)
	subscribe(t, ann, "news", "tea")
	subscribe(t, bob, "news")
	publish(t, h, "news", "one")
	publish(t, h, "tea", "two")
	publish(t, h, "none", "nobody hears it")
	require.Equal(t, []string{"news: one", "tea: two"}, a.take())
	require.Equal(t, []string{"news: one"}, b.take())
	require.ElementsMatch(t, []string{"news", "tea"}, ann.Topics())

	_, err := bob.Subscribe(background, "news", nil)
	require.ErrorIs(t, err, hub.ErrSubscribed)
	require.True(t, ann.Unsubscribe("news"))
	require.False(t, ann.Unsubscribe("news"))
	require.False(t, ann.Unsubscribe("never"))
	bob.Leave()
	bob.Leave()
	publish(t, h, "news", "nobody is left")
	publish(t, h, "tea", "three")
	require.Equal(t, []string{"tea: three"}, a.take())
	require.Empty(t, b.take())
	_, err = bob.Subscribe(background, "news", nil)
	require.ErrorIs(t, err, hub.ErrLeft)
	st := h.Stats()
	require.Equal(t, hub.Stats{Members: 1, Topics: 1, Subscriptions: 1, Published: 5, Delivered: 4}, st)
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, yes, no string // topics that are separated by blanks
	}{
		{"prices.*", "prices.eur prices. prices.>x", "prices prices.eur.spot price.eur"},
		{"prices.>", "prices.eur prices.eur.spot prices.", "prices price.eur"},
		{"*.eur", "prices.eur .eur", "eur prices.eur.spot prices.usd"},
		{"*", "a x", "a.b"},
		{">", "a a.b .", ""},
		{"a.*.c.>", "a.b.c.d a..c.d.e", "a.b.c a.c.d"},
		{"a.>.b", "a.>.b", "a.x.b"}, // > counts only at the end
	} {
		t.Run(c.pattern, func(t *testing.T) {
			h := hub.New(nil)
			m, f := join(t, h)
			subscribe(t, m, c.pattern)
			for _, topic := range strings.Fields(c.yes) {
				publish(t, h, topic, "1")
				require.Equal(t, []string{topic + ": 1"}, f.take())
			}
			for _, topic := range strings.Fields(c.no) {
				publish(t, h, topic, "1")
				require.Empty(t, f.take(), topic)
			}
			require.True(t, m.Unsubscribe(c.pattern))
			publish(t, h, strings.Fields(c.yes)[0], "1")
			require.Empty(t, f.take())
		})
	}
}

// A member gets a message once, whatever it is subscribed to.
func TestOverlap(t *testing.T) {
	h := hub.New(nil)
	m, f := join(t, h)
	other, o := join(t, h)
	subscribe(t, m, "a.b", "a.*", "*.b", ">", "a.>")
	subscribe(t, other, "*.b", ">")
	for _, topic := range []string{"a.b", "a.*", "*.b", "a.>", ">"} {
		publish(t, h, "a.b", topic)
		require.Equal(t, []string{"a.b: " + topic}, f.take())
		require.Equal(t, []string{"a.b: " + topic}, o.take())
		require.True(t, m.Unsubscribe(topic))
	}
	publish(t, h, "a.b", "x")
	require.Empty(t, f.take())
}

// The pattern trie agrees with a plain comparison.
func TestPatternsAgreeWithPlainMatching(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	words := []string{"a", "b", "*", ">", ""}
	name := func(n int) string {
		var segments []string
		for range 1 + random.IntN(4) {
			segments = append(segments, words[random.IntN(n)])
		}
		return strings.Join(segments, ".")
	}
	matches := func(pattern, topic string) bool {
		p, s := strings.Split(pattern, "."), strings.Split(topic, ".")
		for i := range p {
			switch {
			case i == len(p)-1 && p[i] == ">":
				return len(s) > i
			case i >= len(s), p[i] != "*" && p[i] != s[i]:
				return false
			}
		}
		return len(p) == len(s)
	}
	for range 300 {
		h := hub.New(nil)
		m, f := join(t, h)
		var names []string
		for range 5 {
			if n := name(5); n != "" {
				if _, err := m.Subscribe(background, n, nil); err == nil {
					names = append(names, n)
				}
			}
		}
		if len(names) > 1 {
			m.Unsubscribe(names[0])
			names = names[1:]
		}
		for range 20 {
			topic := name(2)
			want := 0
			for _, n := range names {
				if matches(n, topic) {
					want = 1
				}
			}
			publish(t, h, topic, "")
			require.Len(t, f.take(), want, "%s at %v", topic, names)
		}
		m.Leave()
	}
}

func TestInvalidTopics(t *testing.T) {
	h := hub.New(nil)
	m, f := join(t, h)
	long := strings.Repeat("x", hub.DefaultMaxTopic)
	for _, topic := range []string{"", long + "x", "a\xff"} {
		_, err := m.Subscribe(background, topic, nil)
		require.ErrorIs(t, err, hub.ErrTopic, topic)
		_, err = h.Publish(background, topic, hub.Text("x"))
		require.ErrorIs(t, err, hub.ErrTopic, topic)
		_, _, err = h.Presence(background, topic, 0)
		require.ErrorIs(t, err, hub.ErrTopic, topic)
	}
	for _, topic := range []string{"a.*", ">", "*"} {
		_, err := m.Publish(background, topic, hub.Text("x"))
		require.ErrorIs(t, err, hub.ErrTopic, topic)
		_, err = m.Subscribe(background, topic, &hub.SubscribeOptions{Presence: []byte("me")})
		require.ErrorIs(t, err, hub.ErrTopic, topic)
		_, err = m.Subscribe(background, topic, &hub.SubscribeOptions{Since: hub.Position{Epoch: 1}})
		require.ErrorIs(t, err, hub.ErrTopic, topic)
	}
	_, err := h.Publish(background, "a", hub.Publication{Op: ws.OpPing})
	require.ErrorContains(t, err, "opcode 9")
	_, err = h.Publish(background, "a", hub.Text("\xff"))
	require.ErrorContains(t, err, "UTF-8")
	prepared, err := wsutil.NewPreparedMessage(ws.OpText, []byte("\xff"))
	require.NoError(t, err)
	_, err = h.Publish(background, "a", hub.Prepared(prepared))
	require.ErrorContains(t, err, "UTF-8")
	subscribe(t, m, "a.*")

	h.Publication("a.*", hub.Text("of a bad broker"))
	require.Empty(t, f.take())

	for _, topic := range []string{long, " ", "\x00", "a b", "..", "日本\u202e.x", "a*", "*a.>>", "$SYS"} {
		subscribe(t, m, topic)
		publish(t, h, topic, "x")
		require.Equal(t, []string{topic + ": x"}, f.take())
	}
	huge := strings.Repeat("a.", 32<<10)
	unbounded := hub.New(&hub.Options{MaxTopic: -1})
	m, f = join(t, unbounded)
	subscribe(t, m, huge, huge+">")
	publish(t, unbounded, huge, "x")
	publish(t, unbounded, huge+"y", "z")
	require.Len(t, f.take(), 2)
}

func TestAuthorization(t *testing.T) {
	type key struct{}
	denied := errors.New("denied")
	h := hub.New(&hub.Options{
		CanSubscribe: func(ctx context.Context, m *hub.Member, topic string) error {
			if ctx.Value(key{}) != m.Value() || topic == "secret" {
				return denied
			}
			return nil
		},
		CanPublish: func(ctx context.Context, m *hub.Member, topic string, p *hub.Publication) error {
			if topic == "secret" {
				return denied
			}
			p.Payload = append([]byte(m.Value().(string)+" says "), p.Payload...)
			return nil
		},
	})
	f := newFake()
	m, err := h.Join(f, "ann")
	require.NoError(t, err)
	defer m.Leave()
	require.Same(t, f, m.Receiver())
	_, err = m.Subscribe(background, "open", nil)
	require.ErrorIs(t, err, denied, "the context counts")
	ctx := context.WithValue(background, key{}, "ann")
	_, err = m.Subscribe(ctx, "secret", nil)
	require.ErrorIs(t, err, denied)
	_, err = m.Subscribe(ctx, "open", nil)
	require.NoError(t, err)
	_, err = m.Publish(ctx, "secret", hub.Text("x"))
	require.ErrorIs(t, err, denied)
	_, err = m.Publish(ctx, "open", hub.Text("hi"))
	require.NoError(t, err)
	publish(t, h, "open", "the program may")
	require.Equal(t, []string{"open: ann says hi", "open: the program may"}, f.take())
}

// Receivers that do not keep up are told of the gap, and the others are not
// delayed.
func TestSlowReceivers(t *testing.T) {
	drop := func(*hub.Message) (wsutil.SendResult, error) { return wsutil.SendDropped, nil }
	t.Run("drop new", func(t *testing.T) {
		h := hub.New(nil)
		slow, s := join(t, h)
		fast, f := join(t, h)
		subscribe(t, slow, "a", "b")
		subscribe(t, fast, "a")
		publish(t, h, "a", "1")
		s.answers(drop)
		publish(t, h, "a", "2")
		publish(t, h, "a", "3")
		s.answers(nil)
		publish(t, h, "b", "1")
		publish(t, h, "a", "4")
		publish(t, h, "a", "5")
		require.Equal(t, []string{"a: 1", "b: 1", "a: gap", "a: 4", "a: 5"}, s.take())
		require.Equal(t, lines("a", 1, 5), f.take())
		st := h.TopicStats("a")
		require.Equal(t, []hub.Behind{{Member: slow, Dropped: 2}}, st.Behind)
		require.Equal(t, hub.TopicStats{Subscribers: 2, Delivered: 8, Dropped: 2, Behind: st.Behind}, st)
		require.EqualValues(t, 2, h.Stats().Dropped)
	})
	t.Run("learns of it without a message", func(t *testing.T) {
		h := hub.New(nil)
		slow, s := join(t, h)
		subscribe(t, slow, "a", "b")
		s.answers(drop)
		publish(t, h, "a", "1")
		slow.Drained()
		require.Empty(t, s.take(), "there is no room")
		s.answers(nil)
		slow.Drained()
		slow.Drained()
		require.Equal(t, []string{"a: gap"}, s.take())
	})
	t.Run("drop oldest", func(t *testing.T) {
		h := hub.New(nil)
		slow, s := join(t, h)
		subscribe(t, slow, "a")
		displace := func(*hub.Message) (wsutil.SendResult, error) { return wsutil.SendDisplaced, nil }
		s.answers(displace)
		publish(t, h, "a", "1")
		publish(t, h, "a", "2")
		s.answers(nil)
		publish(t, h, "a", "3")
		publish(t, h, "a", "4")
		require.Equal(t, []string{"a: 1", "a: 2", "a: 3", ": gap", "a: 4"}, s.take())
		s.answers(displace)
		publish(t, h, "a", "5")
		s.answers(nil)
		slow.Drained()
		require.Equal(t, []string{"a: 5", ": gap"}, s.take())
		require.EqualValues(t, 3, h.TopicStats("a").Dropped)
	})
	t.Run("displaced by the program", func(t *testing.T) {
		h := hub.New(nil)
		slow, s := join(t, h)
		subscribe(t, slow, "a")
		slow.Displaced()
		s.answers(drop)
		slow.Drained()
		require.Empty(t, s.take(), "there is no room")
		s.answers(nil)
		slow.Drained()
		require.Equal(t, []string{": gap"}, s.take())
	})
	t.Run("too large", func(t *testing.T) {
		h := hub.New(nil)
		m, f := join(t, h)
		subscribe(t, m, "a")
		f.answers(func(m *hub.Message) (wsutil.SendResult, error) {
			if len(m.Payload) > 3 {
				return wsutil.SendFailed, fmt.Errorf("it is: %w", wsutil.ErrSendTooLarge)
			}
			return wsutil.SendSent, nil
		})
		publish(t, h, "a", "long")
		publish(t, h, "a", "ok")
		require.Equal(t, []string{"a: gap", "a: ok"}, f.take())
		require.Equal(t, 1, h.Stats().Members)
	})
}

// A receiver that has failed, or that panics, leaves, and the others get
// everything.
func TestFailedReceivers(t *testing.T) {
	for name, answer := range map[string]func(*hub.Message) (wsutil.SendResult, error){
		"error": func(*hub.Message) (wsutil.SendResult, error) { return wsutil.SendFailed, errClosed },
		"panic": func(*hub.Message) (wsutil.SendResult, error) { panic("oops") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var panicked []any
				h := hub.New(&hub.Options{Panicked: func(_ *hub.Member, v any) { panicked = append(panicked, v) }})
				var fakes []*fake
				for i := range 5 {
					m, f := join(t, h)
					subscribe(t, m, "a", "other", "a*b")
					if i == 1 || i == 4 {
						f.answers(answer)
					}
					fakes = append(fakes, f)
				}
				publish(t, h, "a", "1")
				synctest.Wait()
				publish(t, h, "a", "2")
				for i, f := range fakes {
					if i == 1 || i == 4 {
						require.Empty(t, f.take())
					} else {
						require.Equal(t, lines("a", 1, 2), f.take())
					}
				}
				require.Equal(t, 3, h.Stats().Members)
				require.Equal(t, 9, h.Stats().Subscriptions)
				if name == "panic" {
					require.Equal(t, []any{"oops", "oops"}, panicked)
				}
			})
		})
	}
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(nil)
		began := time.Now()
		times := make(chan time.Duration, 10)
		for range 10 {
			m, f := join(t, h)
			subscribe(t, m, "a")
			go func() {
				require.Equal(t, ws.StatusServiceRestart, <-f.closed)
				times <- time.Since(began)
				m.Leave()
			}()
		}
		keeps, _ := join(t, h)
		ctx, cancel := context.WithTimeout(background, time.Minute)
		defer cancel()
		ended := make(chan error)
		go func() { ended <- h.Drain(ctx, 11*time.Second) }()
		synctest.Wait()
		_, err := h.Join(newFake(), nil)
		require.ErrorIs(t, err, hub.ErrDraining)
		_, err = keeps.Subscribe(background, "a", nil)
		require.ErrorIs(t, err, hub.ErrDraining)
		publish(t, h, "a", "goes on")
		err = <-ended
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "1 members")
		seen := map[time.Duration]bool{}
		for range 10 { // and keeps, at a moment of its own
			at := <-times
			require.Zero(t, at%time.Second)
			require.Less(t, at, 11*time.Second)
			require.False(t, seen[at], "one at a time")
			seen[at] = true
		}
		keeps.Leave()
		require.NoError(t, h.Drain(background, time.Hour), "nobody is left")
	})
}

func TestPresence(t *testing.T) {
	h := hub.New(nil)
	ann, a := join(t, h)
	bob, b := join(t, h)
	enter := func(m *hub.Member, name string) {
		_, err := m.Subscribe(background, "room", &hub.SubscribeOptions{Presence: []byte(name)})
		require.NoError(t, err)
	}
	enter(ann, "ann")
	enter(bob, "bob")
	watcher, w := join(t, h)
	subscribe(t, watcher, "*")
	require.Equal(t, []string{"room: join ann", "room: join bob"}, a.take())
	require.Equal(t, []string{"room: join bob"}, b.take())

	all, count, err := h.Presence(background, "room", -1)
	require.NoError(t, err)
	require.Equal(t, 2, count)
	require.ElementsMatch(t, []hub.Presence{{ID: ann.ID(), Data: []byte("ann")}, {ID: bob.ID(), Data: []byte("bob")}}, all)
	some, count, err := h.Presence(background, "room", 1)
	require.NoError(t, err)
	require.Len(t, some, 1)
	require.Equal(t, 2, count)
	none, count, err := h.Presence(background, "room", 0)
	require.NoError(t, err)
	require.Empty(t, none)
	require.Equal(t, 2, count)

	ann.Leave()
	bob.Unsubscribe("room")
	require.Equal(t, []string{"room: leave ann", "room: leave bob"}, w.take())
	require.Equal(t, []string{"room: leave ann"}, b.take())
	_, count, err = h.Presence(background, "room", 0)
	require.NoError(t, err)
	require.Zero(t, count)
}

// An encoder runs once for each message, however many receive it.
func TestEncodedOnce(t *testing.T) {
	e := &countingEncoder{}
	m := hub.Message{Topic: "a", Publication: hub.Text("x")}
	first, err := m.Prepared(e)
	require.NoError(t, err)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			p, err := m.Prepared(e)
			require.NoError(t, err)
			require.Same(t, first, p)
		})
	}
	all.Wait()
	require.Equal(t, "<x>", string(first.Payload()))
	require.Equal(t, 1, e.calls)
	raw, err := m.Prepared(nil)
	require.NoError(t, err)
	require.Equal(t, "x", string(raw.Payload()))
	gap := hub.Message{Publication: hub.Publication{Kind: hub.Gap}}
	raw, err = gap.Prepared(hub.Payloads{})
	require.NoError(t, err)
	require.Nil(t, raw)
	broken := hub.Message{Publication: hub.Publication{Payload: []byte("fail")}}
	_, err = broken.Prepared(e)
	require.ErrorIs(t, err, errClosed)
}

type countingEncoder struct{ calls int }

func (e *countingEncoder) Encode(m *hub.Message) (ws.OpCode, []byte, error) {
	e.calls++
	if string(m.Payload) == "fail" {
		return 0, nil, errClosed
	}
	return ws.OpText, append(append([]byte("<"), m.Payload...), '>'), nil
}

// Publications of goroutines reach all receivers in the same order; those of
// one goroutine in its order. Members come and go meanwhile.
func TestStorm(t *testing.T) {
	const publishers, each = 4, 200
	h := hub.New(&hub.Options{Broker: keep(10)})
	var stay []*fake
	for i := range 4 {
		m, f := join(t, h)
		subscribe(t, m, "a")
		if i%2 == 0 {
			subscribe(t, m, "*")
		}
		stay = append(stay, f)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 100 {
				m, f := join(t, h)
				subscribe(t, m, "*")
				m.Subscribe(background, "a", &hub.SubscribeOptions{Presence: []byte("x"), Since: hub.Position{Epoch: 1, Offset: 1}})
				subscribe(t, m, fmt.Sprint("own", i))
				switch i % 3 {
				case 0:
					m.Unsubscribe("a")
				case 1:
					f.answers(func(*hub.Message) (wsutil.SendResult, error) { return wsutil.SendFailed, errClosed })
				}
				h.TopicStats("a")
				h.Stats()
				m.Leave()
			}
		})
	}
	for p := range publishers {
		all.Go(func() {
			for i := range each {
				publish(t, h, "a", fmt.Sprint(p, " ", i))
			}
		})
	}
	all.Wait()
	want := dataOf(stay[0].take())
	require.Len(t, want, publishers*each)
	next := map[string]int{}
	for _, l := range want {
		var p string
		var i int
		fmt.Sscanf(l, "a: %s %d", &p, &i)
		require.Equal(t, next[p], i)
		next[p]++
	}
	for _, f := range stay[1:] {
		require.Equal(t, want, dataOf(f.take()))
	}
}

// dataOf returns the lines without joins and leaves.
func dataOf(all []string) (data []string) {
	for _, l := range all {
		if !strings.HasSuffix(l, " x") {
			data = append(data, l)
		}
	}
	return data
}
