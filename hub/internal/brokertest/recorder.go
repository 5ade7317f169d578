package brokertest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
)

// patience limits each wait of a test. Only failing tests reach it.
const patience = 60 * time.Second

// Recorder is a [hub.Handler] that records publications as a hub would see
// them.
type Recorder struct {
	mu      sync.Mutex
	topics  map[string][]hub.Publication
	gaps    []string
	changed chan struct{} // closed at the next change
}

// Publication implements [hub.Handler]. It drops publications with a position
// that is not newer than the last one.
func (r *Recorder) Publication(topic string, p hub.Publication) {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.topics[topic]
	if n := len(got); n > 0 && !p.Position.IsZero() {
		last := got[n-1].Position
		if last.Epoch == p.Position.Epoch && p.Position.Offset <= last.Offset {
			return
		}
	}
	if r.topics == nil {
		r.topics = make(map[string][]hub.Publication)
	}
	r.topics[topic] = append(got, p)
	r.signal()
}

// Gap implements [hub.Handler].
func (r *Recorder) Gap(topic string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gaps = append(r.gaps, topic)
	r.signal()
}

func (r *Recorder) signal() {
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// Payloads returns the received payloads of a topic, without the probes of
// [Live].
func (r *Recorder) Payloads(topic string) (payloads []string) {
	for _, p := range r.Got(topic) {
		if string(p.Payload) != probe {
			payloads = append(payloads, string(p.Payload))
		}
	}
	return payloads
}

// Got returns the received publications of a topic.
func (r *Recorder) Got(topic string) []hub.Publication {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]hub.Publication(nil), r.topics[topic]...)
}

// Gaps returns the topics of the reported gaps.
func (r *Recorder) Gaps() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.gaps...)
}

// Wait waits until done returns true, and calls it at each change.
func (r *Recorder) Wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		r.mu.Lock()
		if r.changed == nil {
			r.changed = make(chan struct{})
		}
		changed := r.changed
		r.mu.Unlock()
		if done() {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			require.FailNow(t, "timeout while waiting for "+what)
		}
	}
}

// WaitPayloads waits for these payloads on a topic, and nothing else.
func (r *Recorder) WaitPayloads(t testing.TB, topic string, want ...string) {
	t.Helper()
	r.Wait(t, "publications on "+topic, func() bool { return len(r.Payloads(topic)) >= len(want) })
	require.Equal(t, want, r.Payloads(topic))
}

// probe is the payload of publications that test whether a subscription has
// reached the other copies.
const probe = "is it there?"

// Live publishes probes through b until each recorder gets them.
func Live(t testing.TB, b hub.Broker, topic string, recorders ...*Recorder) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, r := range recorders {
		for !r.probed(topic) {
			require.NoError(t, ctx.Err(), "no probe arrives on %s", topic)
			_, err := b.Publish(ctx, topic, hub.Publication{Payload: []byte(probe)})
			require.NoError(t, err)
			r.settle(topic)
		}
	}
}

func (r *Recorder) probed(topic string) bool {
	for _, p := range r.Got(topic) {
		if string(p.Payload) == probe {
			return true
		}
	}
	return false
}

// settle waits a moment for a probe.
func (r *Recorder) settle(topic string) {
	for range 20 {
		if r.probed(topic) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// Start runs b until the end of the test, and returns its recorder.
func Start(t testing.TB, b hub.Broker) *Recorder {
	t.Helper()
	r := new(Recorder)
	Run(t, b, r)
	return r
}

// Run runs b with h until the end of the test, or until stop is called.
func Run(t testing.TB, b hub.Broker, h hub.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx, h) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			require.NoError(t, err)
		case <-time.After(patience):
			t.Error("Run does not return when its context ends")
		}
	})
	t.Cleanup(stop)
	return stop
}

// Kept reports whether a topic of these tests has history.
func Kept(topic string) bool { return strings.HasPrefix(topic, "kept.") }
