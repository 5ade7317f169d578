package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/wskit/wskit/hub/internal/table"
	"github.com/wskit/wskit/ws"
)

// Defaults of [Options].
const (
	DefaultMaxTopic      = 1024 // bytes
	DefaultBrokerTimeout = 5 * time.Second
	DefaultPresenceTTL   = time.Minute
)

var (
	// ErrDraining is returned by [Hub.Join] and [Member.Subscribe] after
	// [Hub.Drain].
	ErrDraining = errors.New("hub: the hub is draining")

	// ErrLeft is returned by methods of a member that has left, and by
	// [Member.Subscribe] if the member unsubscribes in the meantime.
	ErrLeft = errors.New("hub: the member has left")

	// ErrSubscribed is returned by [Member.Subscribe] if the member is already
	// subscribed to the topic.
	ErrSubscribed = errors.New("hub: the member is already subscribed to the topic")

	// Errors of the broker, for example if it is unreachable or slow, wrap
	// ErrBroker. The call may succeed if it is repeated.
	ErrBroker = errors.New("hub: the broker failed")

	// ErrTopic is returned for a topic that is empty, too long or not UTF-8,
	// for a pattern where only a topic is allowed, and for a topic that the
	// broker does not support.
	ErrTopic = errors.New("hub: invalid topic")
)

// Options are the options of [New]. The zero value is ready to use. In each
// limit and timeout, 0 means the default and a negative value means none.
type Options struct {
	// Broker carries publications. nil means NewMemory(nil): one copy of the
	// program, without history.
	Broker Broker

	// CanSubscribe and CanPublish, if not nil, authorize [Member.Subscribe] and
	// [Member.Publish]. Their error is returned to the caller. They may block
	// until ctx ends. The topic of CanSubscribe may be a pattern: see
	// [IsPattern]. CanPublish may modify the publication.
	CanSubscribe func(ctx context.Context, m *Member, topic string) error
	CanPublish   func(ctx context.Context, m *Member, topic string, p *Publication) error

	// MaxTopic is the maximum length of a topic in bytes. 0 means
	// DefaultMaxTopic.
	MaxTopic int

	// BrokerTimeout limits each call of the broker. 0 means
	// DefaultBrokerTimeout.
	BrokerTimeout time.Duration

	// PresenceTTL is the lifetime of an entry in a PresenceStore. The hub
	// renews it after a third of this time. If a copy of the program ends
	// without notice, its entries expire within PresenceTTL, and receivers of
	// the other hubs get a Leave up to two thirds of PresenceTTL later. 0 and
	// negative values mean DefaultPresenceTTL.
	PresenceTTL time.Duration

	// Panicked, if not nil, is called after a method of a receiver or an
	// Encoder panicked with v. The member leaves the hub. Panicked must not
	// call methods of the hub or of its members.
	Panicked func(m *Member, v any)
}

// Hub holds the topics and members of one copy of a program. [New] creates it.
// All methods are safe for concurrent use.
type Hub struct {
	opts   Options
	broker Broker
	store  PresenceStore // the broker, or nil
	local  bool          // the broker is in memory: its calls do not wait

	seed     maphash.Seed
	shards   [shards]shard
	wild     [shards]patterns // by the first segment
	wildOnes patterns         // patterns whose first segment is a wildcard
	anyWild  atomic.Int64     // number of patterns

	members  members
	catching catching
	leaves   leaves
	stats    counters
}

const shards = 256 // a power of two

// shard holds a part of the sources. Its lock is taken after the locks of
// sources, and before the locks of patterns.
type shard struct {
	mu      sync.RWMutex
	sources table.Map[*source]
}

// New returns a hub. It copies opts, which may be nil. The caller must call
// [Hub.Run] unless the broker is in memory.
func New(opts *Options) *Hub {
	h := &Hub{seed: maphash.MakeSeed()}
	if opts != nil {
		h.opts = *opts
	}
	h.opts.MaxTopic = cmp.Or(h.opts.MaxTopic, DefaultMaxTopic)
	h.opts.BrokerTimeout = cmp.Or(h.opts.BrokerTimeout, DefaultBrokerTimeout)
	if h.opts.PresenceTTL <= 0 {
		h.opts.PresenceTTL = DefaultPresenceTTL
	}
	if h.broker = h.opts.Broker; h.broker == nil {
		h.broker = NewMemory(nil)
	}
	h.store, _ = h.broker.(PresenceStore)
	if m, ok := h.broker.(*Memory); ok {
		m.serve(h)
		h.local = true
	}
	h.catching.wake = make(chan struct{})
	h.leaves.max = maxLeaves
	return h
}

// Run connects the broker and does periodic work until ctx ends. It returns nil
// when ctx ends, or the error of a broker that cannot continue. It must be
// called only once. With the broker in memory, it only removes old history.
func (h *Hub) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var due sync.WaitGroup
	due.Go(func() { h.catchUp(ctx) })
	if h.store != nil {
		due.Go(func() { h.renewPresence(ctx) })
		due.Go(func() { h.expirePresence(ctx) })
	}
	defer due.Wait()
	defer cancel()
	return h.broker.Run(ctx, h)
}

// Publish publishes p on a topic. The broker passes p to all hubs that
// subscribe to the topic, including this one. Publish does not retain
// p.Payload, and does not wait for receivers. For a topic with history, it
// returns the position of p. See [Broker] for p.ID. Publish ignores p.Kind.
func (h *Hub) Publish(ctx context.Context, topic string, p Publication) (Position, error) {
	if err := h.checkTopic(topic, false); err != nil {
		return Position{}, err
	}
	p.Kind, p.Op = Data, cmp.Or(p.Op, ws.OpText)
	switch {
	case p.Op != ws.OpText && p.Op != ws.OpBinary:
		return Position{}, fmt.Errorf("hub: invalid opcode %d of a publication: want text or binary", p.Op)
	case p.Op == ws.OpText && !utf8.Valid(p.Payload):
		return Position{}, errors.New("hub: the text of a publication is not UTF-8")
	}
	ctx, cancel := h.bound(ctx)
	defer cancel()
	at, err := h.broker.Publish(ctx, topic, p)
	if err != nil {
		return Position{}, brokerError("publish", err)
	}
	h.stats.published.Add(1)
	return at, nil
}

// brokerError wraps an error of the broker.
func brokerError(op string, err error) error { return fmt.Errorf("%w: %s: %w", ErrBroker, op, err) }

// bound returns ctx with BrokerTimeout.
func (h *Hub) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if h.local || h.opts.BrokerTimeout < 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, h.opts.BrokerTimeout)
}

func (h *Hub) shard(name string) *shard {
	return &h.shards[maphash.String(h.seed, name)%shards]
}

// patternsOf returns the trie for a pattern.
func (h *Hub) patternsOf(pattern string) *patterns {
	segment, _, _ := strings.Cut(pattern, ".")
	if segment == "*" || pattern == ">" {
		return &h.wildOnes
	}
	return &h.wild[maphash.String(h.seed, segment)%shards]
}

// matching returns the patterns that match topic.
func (h *Hub) matching(topic string) []*source {
	if h.anyWild.Load() == 0 {
		return nil
	}
	segment, _, _ := strings.Cut(topic, ".")
	found := h.wildOnes.match(nil, topic)
	return h.wild[maphash.String(h.seed, segment)%shards].match(found, topic)
}

// find returns the source of this name, or nil.
func (h *Hub) find(name string) *source {
	sh := h.shard(name)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.sources.Entries[name]
}

// open returns the source of this name, and creates it if necessary.
func (h *Hub) open(name string) *source {
	if s := h.find(name); s != nil {
		return s
	}
	sh := h.shard(name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.sources.Entries[name]
	if s == nil {
		s = &source{name: strings.Clone(name), pattern: IsPattern(name)}
		sh.sources.Set(s.name, s)
		if s.pattern {
			h.patternsOf(name).set(name, s)
			h.anyWild.Add(1)
		}
	}
	return s
}

// remove removes a source that is dead.
func (h *Hub) remove(s *source) {
	sh := h.shard(s.name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.sources.Delete(s.name)
	if s.pattern {
		h.patternsOf(s.name).set(s.name, nil)
		h.anyWild.Add(-1)
	}
}

// all calls f for each source without holding a lock.
func (h *Hub) all(f func(*source)) {
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.RLock()
		found := make([]*source, 0, len(sh.sources.Entries))
		for _, s := range sh.sources.Entries {
			found = append(found, s)
		}
		sh.mu.RUnlock()
		for _, s := range found {
			f(s)
		}
	}
}
