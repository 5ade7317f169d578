package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/internal/table"
	"github.com/wskit/wskit/hub/internal/wire"
)

const (
	// silence is how long Redis may be silent before the broker sends a ping,
	// and how long it waits for the answer.
	silence = 5 * time.Second

	// callTimeout limits a subscription whose context has no earlier deadline.
	callTimeout = 10 * time.Second

	minPause, maxPause = 50 * time.Millisecond, 2 * time.Second
)

// subscription is a topic or pattern that the hub subscribes to.
type subscription struct {
	confirmed chan struct{} // closed when Redis has confirmed it for the first time
}

func (s *subscription) isConfirmed() bool {
	select {
	case <-s.confirmed:
		return true
	default:
		return false
	}
}

// Subscribe implements [hub.Broker]. It waits for Run and for Redis.
func (b *Broker) Subscribe(ctx context.Context, topic string) error {
	s := &subscription{confirmed: make(chan struct{})}
	b.mark(topic, s)
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	select {
	case <-s.confirmed:
		return nil
	case <-ctx.Done():
		b.Unsubscribe(topic)
		return fmt.Errorf("redisbroker: subscribe to %.40q: %w", topic, context.Cause(ctx))
	}
}

// Unsubscribe implements [hub.Broker].
func (b *Broker) Unsubscribe(topic string) { b.mark(topic, nil) }

// mark records whether the hub is subscribed to a topic, for the writer of the
// session. Without a session nothing else is recorded, because the next one
// begins without subscriptions.
func (b *Broker) mark(topic string, s *subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case s != nil:
		b.wanted.Set(topic, s)
	case b.wanted.Entries[topic] == nil:
		return
	default:
		b.wanted.Delete(topic)
	}
	if b.dirty == nil {
		return
	}
	b.change(topic)
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// change records that the subscription of a topic must be sent. b.mu is held.
func (b *Broker) change(topic string) {
	if hub.IsPattern(topic) {
		b.globs.Set(b.glob(topic), topic)
	}
	b.dirty[topic] = true
}

// Run passes received publications to h until ctx ends. Then it closes the
// broker.
func (b *Broker) Run(ctx context.Context, h hub.Handler) error {
	if !b.running.CompareAndSwap(false, true) {
		return errors.New("redisbroker: Run was already called")
	}
	defer b.Close()
	for pause := minPause; ctx.Err() == nil; pause = min(2*pause, maxPause) {
		began := time.Now()
		if err := b.session(ctx, h); ctx.Err() == nil {
			b.report(fmt.Errorf("redisbroker: connection lost: %w", err))
		}
		if time.Since(began) > maxPause {
			pause = minPause
		}
		select {
		case <-time.After(pause + rand.N(pause/4)):
		case <-ctx.Done():
		}
	}
	return nil
}

// session runs a connection for pub/sub. It subscribes to all topics of the
// hub. It reports a gap for those that were confirmed on an earlier connection.
func (b *Broker) session(ctx context.Context, h hub.Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := reader{Broker: b, handler: h, pubsub: b.client.Subscribe(ctx)}
	defer r.pubsub.Close()
	defer context.AfterFunc(ctx, func() { r.pubsub.Close() })()
	if err := r.pubsub.Ping(ctx); err != nil {
		return err
	}
	b.begin()
	defer b.end()
	written := make(chan struct{})
	go func() {
		defer close(written)
		if err := r.write(ctx); err != nil && ctx.Err() == nil {
			b.report(fmt.Errorf("redisbroker: %w", err))
			r.pubsub.Close() // the reader ends
		}
	}()
	err := r.read(ctx)
	cancel()
	<-written
	return err
}

// begin makes the writer of a new session subscribe to all topics.
func (b *Broker) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dirty, b.globs = make(map[string]bool), table.Map[string]{}
	for topic := range b.wanted.Entries {
		b.change(topic)
	}
}

// end forgets the changes that a session has not sent.
func (b *Broker) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dirty, b.globs = nil, table.Map[string]{}
}

// reader is one connection for pub/sub.
type reader struct {
	*Broker
	handler hub.Handler
	pubsub  *redis.PubSub
	last    string // the head of the last message
}

// write sends changes of the subscriptions to Redis until ctx ends.
func (r *reader) write(ctx context.Context) error {
	for {
		if err := r.flush(ctx); err != nil {
			return err
		}
		select {
		case <-r.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// flush sends the changed subscriptions.
func (r *reader) flush(ctx context.Context) error {
	var topics, patterns, noTopics, noPatterns []string
	r.mu.Lock()
	for topic := range r.dirty {
		pattern, wanted := hub.IsPattern(topic), r.wanted.Entries[topic] != nil
		switch {
		case pattern && wanted:
			patterns = append(patterns, r.glob(topic))
		case pattern:
			noPatterns = append(noPatterns, r.glob(topic))
			r.globs.Delete(r.glob(topic))
		case wanted:
			topics = append(topics, r.channel(topic))
		default:
			noTopics = append(noTopics, r.channel(topic))
		}
	}
	r.dirty = make(map[string]bool) // releases the memory of many topics
	r.mu.Unlock()
	for _, c := range []struct {
		names []string
		call  func(context.Context, ...string) error
	}{
		{noTopics, r.pubsub.Unsubscribe}, {noPatterns, r.pubsub.PUnsubscribe},
		{topics, r.pubsub.Subscribe}, {patterns, r.pubsub.PSubscribe},
	} {
		if len(c.names) == 0 {
			continue
		}
		if err := c.call(ctx, c.names...); err != nil {
			return err
		}
	}
	return nil
}

// glob returns the Redis pattern for a pattern. Different patterns have
// different Redis patterns. Its wildcards also match dots; the hub drops
// publications that do not match.
func (b *Broker) glob(pattern string) string {
	var g strings.Builder
	g.WriteString(escape(b.channel("")))
	for rest, more := pattern, true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, ".")
		switch {
		case segment == "*":
			g.WriteByte('*')
		case segment == ">" && !more:
			g.WriteString("**")
		default:
			g.WriteString(escape(segment))
		}
		if more {
			g.WriteByte('.')
		}
	}
	return g.String()
}

var escaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)

func escape(s string) string { return escaper.Replace(s) }

// read delivers received messages.
func (r *reader) read(ctx context.Context) error {
	asked := false
	for {
		m, err := r.pubsub.ReceiveTimeout(ctx, silence)
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			if asked {
				return fmt.Errorf("no answer within %v", silence)
			}
			asked = true
			err = r.pubsub.Ping(ctx)
		} else {
			asked = false
		}
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *redis.Subscription:
			r.confirm(m)
		case *redis.Message:
			r.message(m)
		}
	}
}

// confirm records that Redis has confirmed a subscription. If it was confirmed
// before on another connection, it reports a gap.
func (r *reader) confirm(m *redis.Subscription) {
	if m.Kind != "subscribe" && m.Kind != "psubscribe" {
		return
	}
	topic := r.topicOf(m)
	r.mu.Lock()
	s := r.wanted.Entries[topic]
	r.mu.Unlock()
	switch {
	case s == nil:
	case s.isConfirmed():
		r.handler.Gap(topic)
	default:
		close(s.confirmed)
	}
}

// topicOf returns the topic or pattern of a confirmation.
func (r *reader) topicOf(m *redis.Subscription) string {
	if m.Kind == "subscribe" {
		return strings.TrimPrefix(m.Channel, r.channel(""))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.globs.Entries[m.Channel]
}

// message delivers a publication. Redis sends it consecutively for a channel
// and for all matching patterns.
func (r *reader) message(m *redis.Message) {
	topic := strings.TrimPrefix(m.Channel, r.channel(""))
	position, data, ok := strings.Cut(m.Payload, " ")
	if !ok || len(data) < headSize {
		r.report(fmt.Errorf("redisbroker: channel %.80q: the message is not a publication", m.Channel))
		return
	}
	if data[:headSize] == r.last {
		return
	}
	r.last = data[:headSize]
	var at hub.Position
	err := at.UnmarshalText([]byte(position))
	var p hub.Publication
	if err == nil {
		p, err = wire.Parse([]byte(data[headSize:]))
	}
	if err != nil {
		r.report(fmt.Errorf("redisbroker: channel %.80q: %w", m.Channel, err))
		return
	}
	p.Position = at
	r.handler.Publication(topic, p)
}
