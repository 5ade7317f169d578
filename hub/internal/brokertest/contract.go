// Package brokertest contains the tests that every [hub.Broker] must pass.
package brokertest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/ws"
)

// Contract tests brokers. open returns the brokers of two copies of a program,
// with history on topics for which [Kept] is true.
func Contract(t *testing.T, open func(t *testing.T) (one, other hub.Broker)) {
	for name, test := range map[string]func(t *testing.T, one, other hub.Broker){
		"every field arrives, in order and once": testFields,
		"patterns":                               testPatterns,
		"odd topics":                             testOddTopics,
		"history":                                testHistory,
		"an ID is published once":                testIDs,
		"unsubscribe":                            testUnsubscribe,
		"storm":                                  testStorm,
		"a context that has ended":               testContext,
		"an empty topic recovers from there":     testEmptyTopic,
	} {
		t.Run(name, func(t *testing.T) {
			one, other := open(t)
			test(t, one, other)
		})
	}
}

func testFields(t *testing.T, one, other hub.Broker) {
	for _, topic := range []string{"live.fields", "kept.fields"} {
		want := []hub.Publication{
			{Op: ws.OpText, Payload: []byte("text")},
			{Op: ws.OpBinary, Payload: []byte("\x00\xFF\r\n"), Key: "key"},
			{Op: ws.OpText, Payload: []byte("with ID"), ID: "id 1"},
			{Op: ws.OpText, Kind: hub.Join, Payload: []byte("{}"), ID: "member"},
			{Op: ws.OpText, Kind: hub.Leave, Payload: []byte("{}"), ID: "member"},
			{Op: ws.OpText, Payload: []byte{}},
		}
		recorders := subscribe(t, topic, one, other)
		for _, p := range want {
			at, err := one.Publish(t.Context(), topic, p)
			require.NoError(t, err)
			if p.Kind == hub.Data {
				require.Equal(t, Kept(topic), !at.IsZero())
			}
		}
		for _, r := range recorders {
			r.Wait(t, "all publications", func() bool { return len(r.Payloads(topic)) >= len(want) })
			got := r.Got(topic)
			got = got[len(got)-len(want):]
			for i := range got {
				if got[i].Kind == hub.Data {
					require.Equal(t, Kept(topic), !got[i].Position.IsZero())
				}
				got[i].Position = hub.Position{}
				if got[i].Payload == nil {
					got[i].Payload = []byte{}
				}
			}
			require.Equal(t, want, got)
		}
		if Kept(topic) { // their history contains only data
			pubs, _, err := other.History(t.Context(), topic, hub.Position{}, 1000)
			require.NoError(t, err)
			require.Equal(t, "with ID", string(pubs[len(pubs)-2].Payload))
			require.Empty(t, pubs[len(pubs)-1].Payload)
		}
	}
}

// subscribe runs the brokers if they do not run yet, and subscribes all of them
// to a topic.
func subscribe(t *testing.T, topic string, brokers ...hub.Broker) (recorders []*Recorder) {
	t.Helper()
	for _, b := range brokers {
		r := started(t, b)
		recorders = append(recorders, r)
		require.NoError(t, b.Subscribe(t.Context(), topic))
	}
	if !hub.IsPattern(topic) {
		Live(t, brokers[0], topic, recorders...)
	}
	return recorders
}

// startedBrokers are the recorders of brokers that run.
var startedBrokers sync.Map

func started(t *testing.T, b hub.Broker) *Recorder {
	if r, ok := startedBrokers.Load(b); ok {
		return r.(*Recorder)
	}
	r := Start(t, b)
	startedBrokers.Store(b, r)
	t.Cleanup(func() { startedBrokers.Delete(b) })
	return r
}

func testPatterns(t *testing.T, one, other hub.Broker) {
	for _, prefix := range []string{"live.", "kept."} {
		topic := prefix + "prices.eur"
		recorders := subscribe(t, topic, one, other)
		subscribe(t, prefix+"prices.*", one, other)
		subscribe(t, prefix+"prices.>", one, other)
		subscribe(t, prefix+">", one, other)
		Live(t, one, prefix+"prices.usd", recorders...)
		Live(t, one, prefix+"a.b.c", recorders...)
		for i := range 50 {
			_, err := one.Publish(t.Context(), topic, hub.Publication{Payload: fmt.Append(nil, i)})
			require.NoError(t, err)
		}
		for _, r := range recorders {
			var want []string
			for i := range 50 {
				want = append(want, fmt.Sprint(i))
			}
			r.WaitPayloads(t, topic, want...)
		}
	}
}

func testOddTopics(t *testing.T, one, other hub.Broker) {
	for _, odd := range []string{
		"a space", "tab\tand\r\nlines", "*a", "a>b", ">.a", "=41", "=", "..", ".", "", "€ и 😀", "$JS.API", "nul\x00", "[a-z]?*\\", "{x}", "%s", "a:b/c",
	} {
		for _, prefix := range []string{"live.", "kept."} {
			topic := prefix + odd
			if hub.IsPattern(topic) {
				continue
			}
			recorders := subscribe(t, topic, one, other)
			_, err := one.Publish(t.Context(), topic, hub.Publication{Payload: []byte(odd)})
			require.NoError(t, err, "%q", topic)
			for _, r := range recorders {
				r.WaitPayloads(t, topic, odd)
			}
			if Kept(topic) {
				pubs, _, err := other.History(t.Context(), topic, hub.Position{}, 1000)
				require.NoError(t, err, "%q", topic)
				require.Equal(t, odd, string(pubs[len(pubs)-1].Payload))
			}
		}
	}
}

func testHistory(t *testing.T, one, other hub.Broker) {
	const topic, n = "kept.history", 25
	started(t, one)
	started(t, other)
	_, _, err := one.History(t.Context(), "live.history", hub.Position{}, 10)
	require.ErrorIs(t, err, hub.ErrNoHistory)

	var positions []hub.Position
	for i := range n {
		at, err := one.Publish(t.Context(), topic, hub.Publication{Payload: fmt.Append(nil, i)})
		require.NoError(t, err)
		positions = append(positions, at)
		_, err = other.Publish(t.Context(), "kept.between", hub.Publication{Payload: []byte("x")})
		require.NoError(t, err)
	}
	for _, b := range []hub.Broker{one, other} {
		for since := range n {
			pubs, newest, err := b.History(t.Context(), topic, positions[since], n)
			require.NoError(t, err)
			require.Equal(t, positions[n-1], newest)
			require.Len(t, pubs, n-1-since)
			for i, p := range pubs {
				require.Equal(t, positions[since+1+i], p.Position)
				require.Equal(t, fmt.Sprint(since+1+i), string(p.Payload))
			}
		}
		pubs, newest, err := b.History(t.Context(), topic, hub.Position{}, 7)
		require.NoError(t, err)
		require.Equal(t, positions[n-1], newest)
		require.Len(t, pubs, 7)
		require.Equal(t, positions[0], pubs[0].Position)

		pubs, newest, err = b.History(t.Context(), topic, positions[0], 0)
		require.NoError(t, err)
		require.Empty(t, pubs)
		require.Equal(t, positions[n-1], newest)

		lost := hub.Position{Epoch: positions[0].Epoch + 1, Offset: positions[0].Offset}
		_, newest, err = b.History(t.Context(), topic, lost, n)
		require.ErrorIs(t, err, hub.ErrCannotRecover)
		require.Equal(t, positions[n-1], newest)
	}
}

func testIDs(t *testing.T, one, other hub.Broker) {
	const topic = "kept.ids"
	recorders := subscribe(t, topic, one, other)
	first, err := one.Publish(t.Context(), topic, hub.Publication{Payload: []byte("a"), ID: "1"})
	require.NoError(t, err)
	again, err := other.Publish(t.Context(), topic, hub.Publication{Payload: []byte("again"), ID: "1"})
	require.NoError(t, err)
	require.Equal(t, first, again)
	elsewhere, err := other.Publish(t.Context(), topic+".x", hub.Publication{Payload: []byte("a"), ID: "1"})
	require.NoError(t, err)
	require.NotEqual(t, first, elsewhere)
	_, err = other.Publish(t.Context(), topic, hub.Publication{Payload: []byte("b"), ID: "2"})
	require.NoError(t, err)
	for _, kind := range []hub.Kind{hub.Join, hub.Leave, hub.Join} { // the ID is that of a member
		_, err = other.Publish(t.Context(), topic, hub.Publication{Kind: kind, Payload: []byte("c"), ID: "1"})
		require.NoError(t, err)
	}
	for _, r := range recorders {
		r.WaitPayloads(t, topic, "a", "b", "c", "c", "c")
	}
}

func testUnsubscribe(t *testing.T, one, other hub.Broker) {
	recorders := subscribe(t, "live.left", one, other)
	subscribe(t, "live.stays", one, other)
	other.Unsubscribe("live.left")
	// The end of a subscription may reach the other copy with a delay.
	for recorders[1].quiet(t, one, "live.left", "live.stays") {
	}
	_, err := one.Publish(t.Context(), "live.left", hub.Publication{Payload: []byte("late")})
	require.NoError(t, err)
	_, err = one.Publish(t.Context(), "live.stays", hub.Publication{Payload: []byte("end")})
	require.NoError(t, err)
	recorders[0].WaitPayloads(t, "live.left", "late")
	recorders[1].WaitPayloads(t, "live.stays", "end")
	require.Empty(t, recorders[1].Payloads("live.left"))

	require.NoError(t, other.Subscribe(t.Context(), "live.left"))
	other.Unsubscribe("live.left")
	other.Unsubscribe("live.left") // of a topic that is not subscribed to
}

// quiet publishes probes on both topics, waits for the second and reports
// whether the first has arrived.
func (r *Recorder) quiet(t *testing.T, b hub.Broker, left, stays string) bool {
	before, marks := len(r.Got(left)), len(r.Got(stays))
	for _, topic := range []string{left, stays} {
		_, err := b.Publish(t.Context(), topic, hub.Publication{Payload: []byte(probe)})
		require.NoError(t, err)
	}
	r.Wait(t, "the topic that stays", func() bool { return len(r.Got(stays)) > marks })
	return len(r.Got(left)) > before
}

func testStorm(t *testing.T, one, other hub.Broker) {
	const publishers, each = 4, 50
	for _, topic := range []string{"live.storm", "kept.storm"} {
		recorders := subscribe(t, topic, one, other)
		var publishing sync.WaitGroup
		for i := range publishers {
			publishing.Go(func() {
				b := []hub.Broker{one, other}[i%2]
				for k := range each {
					_, err := b.Publish(context.Background(), topic, hub.Publication{Payload: fmt.Appendf(nil, "%d %d", i, k)})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		for i := range 20 { // others come and go meanwhile
			name := fmt.Sprintf("%s.%d", topic, i)
			require.NoError(t, one.Subscribe(t.Context(), name))
			one.Unsubscribe(name)
		}
		publishing.Wait()
		for _, r := range recorders {
			r.Wait(t, "the storm", func() bool { return len(r.Payloads(topic)) >= publishers*each })
			requireOrder(t, r.Payloads(topic), publishers, each)
		}
		if Kept(topic) {
			require.Equal(t, recorders[0].Payloads(topic), recorders[1].Payloads(topic), "one order for all")
		}
	}
}

// requireOrder checks that the messages of each publisher are complete and in
// order.
func requireOrder(t *testing.T, payloads []string, publishers, each int) {
	t.Helper()
	require.Len(t, payloads, publishers*each)
	next := make([]int, publishers)
	for _, payload := range payloads {
		var i, k int
		_, err := fmt.Sscan(payload, &i, &k)
		require.NoError(t, err)
		require.Equal(t, next[i], k, "publisher %d", i)
		next[i]++
	}
}

func testContext(t *testing.T, one, _ hub.Broker) {
	started(t, one)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := one.Publish(ctx, "kept.context", hub.Publication{Payload: []byte("x")})
	require.ErrorIs(t, err, context.Canceled)
	_, _, err = one.History(ctx, "kept.context", hub.Position{}, 1)
	require.ErrorIs(t, err, context.Canceled)
}

func testEmptyTopic(t *testing.T, one, other hub.Broker) {
	started(t, one)
	started(t, other)
	_, start, err := one.History(t.Context(), "kept.empty", hub.Position{}, 0)
	require.NoError(t, err)
	require.False(t, start.IsZero(), "a position to recover from")
	pubs, newest, err := one.History(t.Context(), "kept.empty", start, 10)
	require.NoError(t, err)
	require.Empty(t, pubs)
	require.Equal(t, start, newest)
	for range 3 {
		_, err = other.Publish(t.Context(), "kept.empty", hub.Publication{Payload: []byte("x")})
		require.NoError(t, err)
	}
	pubs, _, err = one.History(t.Context(), "kept.empty", start, 10)
	require.NoError(t, err)
	require.Len(t, pubs, 3)
}
