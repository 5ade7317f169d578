package hub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/wskit/wskit/wsutil"
)

// Member is a receiver that has joined a hub: see [Hub.Join]. All methods are
// safe for concurrent use.
type Member struct {
	hub      *Hub
	receiver Receiver
	value    any
	lost     atomic.Bool // a gap on any topic must be reported to the receiver

	mu   sync.Mutex // guards the fields below; no other lock is taken while it is held
	left bool
	few  []*subscription           // all subscriptions, if there are at most manySubs
	many map[*source]*subscription // all subscriptions otherwise, or nil
	id   string                    // see ID
	turn chan struct{}             // see hold
}

// manySubs is the maximum length of a list of subscriptions.
const manySubs = 16

// Join makes r a member. The caller must call [Member.Leave] when the
// connection has ended. [Member.Value] returns value.
func (h *Hub) Join(r Receiver, value any) (*Member, error) {
	m := &Member{hub: h, receiver: r, value: value}
	if !h.members.add(m) {
		return nil, ErrDraining
	}
	return m, nil
}

// Value returns the value that was given to [Hub.Join].
func (m *Member) Value() any { return m.value }

// Receiver returns the receiver that was given to [Hub.Join].
func (m *Member) Receiver() Receiver { return m.receiver }

// SubscribeOptions are the options of [Member.Subscribe]. The zero value is
// ready to use.
type SubscribeOptions struct {
	// Since, if not zero, is the position of the last publication that the
	// receiver has. Later ones are replayed.
	Since Position

	// Presence, if not nil, makes the member visible on the topic, with this
	// data. It is not allowed for patterns.
	Presence []byte

	// Live, if not nil, is called after the replay and before the first live
	// message. It must not block or call methods of the hub. If it returns
	// false, the subscription ends with ErrLeft.
	Live func(Subscribed) bool
}

// Subscribed is the result of [Member.Subscribe].
type Subscribed struct {
	// Position is the position of the topic when live delivery began. It is
	// zero for a pattern, and for a topic without history.
	Position Position

	// Recovered says that all publications after Since were replayed. If Since
	// was set and Recovered is false, publications are lost.
	Recovered bool

	// Replayed is the position of the last replayed publication, or Since if
	// none was replayed. A receiver whose own position is before Replayed has
	// missed publications. Replayed is zero unless Recovered is true.
	Replayed Position
}

// Subscribe subscribes the member to a topic or pattern. It waits for the
// broker, at most until ctx ends, and returns when live delivery has begun.
// During a replay it also waits for this receiver, but not for others. o may be
// nil. A pattern has no positions.
func (m *Member) Subscribe(ctx context.Context, topic string, o *SubscribeOptions) (Subscribed, error) {
	if o == nil {
		o = new(SubscribeOptions)
	}
	h := m.hub
	if err := h.checkTopic(topic, true); err != nil {
		return Subscribed{}, err
	}
	if IsPattern(topic) && (o.Presence != nil || !o.Since.IsZero()) {
		return Subscribed{}, fmt.Errorf("%w: pattern %.40q has neither positions nor presence", ErrTopic, topic)
	}
	if h.members.draining() {
		return Subscribed{}, ErrDraining
	}
	if can := h.opts.CanSubscribe; can != nil {
		if err := can(ctx, m, topic); err != nil {
			return Subscribed{}, err
		}
	}
	s, err := h.attach(ctx, topic)
	if err != nil {
		return Subscribed{}, err
	}
	defer h.unpin(s)
	sub := &subscription{source: s, member: m, at: -1}
	if err := m.add(sub); err != nil {
		return Subscribed{}, err
	}
	result, err := h.goLive(ctx, sub, o)
	if err != nil {
		m.forget(sub)
		h.end(sub)
		return Subscribed{}, err
	}
	h.appear(ctx, sub, o.Presence)
	return result, nil
}

// Unsubscribe ends the subscription to a topic or pattern, if there is one. It
// reports whether there was one. Messages that wait in the queue of the
// connection still arrive.
func (m *Member) Unsubscribe(topic string) bool {
	s := m.hub.find(topic)
	if s == nil {
		return false
	}
	m.mu.Lock()
	sub := m.find(s)
	m.mu.Unlock()
	if sub == nil || !m.hub.end(sub) {
		return false
	}
	m.forget(sub) // the member can subscribe again only after end
	return true
}

// Publish calls CanPublish, and then [Hub.Publish] if CanPublish allows it.
func (m *Member) Publish(ctx context.Context, topic string, p Publication) (Position, error) {
	if err := m.hub.checkTopic(topic, false); err != nil {
		return Position{}, err
	}
	if can := m.hub.opts.CanPublish; can != nil {
		if err := can(ctx, m, topic, &p); err != nil {
			return Position{}, err
		}
	}
	return m.hub.Publish(ctx, topic, p)
}

// Leave ends all subscriptions and the membership. It does not wait for the
// broker: see [PresenceStore]. It may be called more than once.
func (m *Member) Leave() {
	m.mu.Lock()
	if m.left {
		m.mu.Unlock()
		return
	}
	m.left = true
	subs := m.all()
	m.few, m.many = nil, nil
	m.mu.Unlock()
	for _, sub := range subs {
		m.hub.end(sub)
	}
	m.hub.members.remove(m)
}

// IsSubscribed reports whether the member is subscribed to a topic or pattern,
// with exactly this name.
func (m *Member) IsSubscribed(topic string) bool {
	s := m.hub.find(topic)
	m.mu.Lock()
	defer m.mu.Unlock()
	return s != nil && m.find(s) != nil
}

// Topics returns the topics and patterns that the member is subscribed to.
func (m *Member) Topics() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for _, sub := range m.all() {
		names = append(names, sub.source.name)
	}
	return names
}

// Drained reports pending gaps to the receiver. Programs whose queues drop
// messages call it when a queue has become empty. Otherwise a receiver learns
// about a gap only with the next message.
func (m *Member) Drained() {
	m.mu.Lock()
	subs := m.all()
	m.mu.Unlock()
	var d delivery
	for _, sub := range subs {
		sub.reportGap(&d)
	}
	if m.lost.Load() {
		result, err := m.receiver.Deliver(newMessage("", Publication{Kind: Gap}))
		m.lost.Store(err != nil || !result.Taken())
	}
}

// reportGap reports a pending gap. A receiver that panics leaves no lock behind.
func (sub *subscription) reportGap(d *delivery) {
	sub.source.mu.Lock()
	defer sub.source.mu.Unlock()
	if sub.gap && sub.at >= 0 {
		d.offerGap(sub)
	}
}

// Displaced records that the queue of the connection dropped waiting messages
// of the hub to make room for a message that the program sent itself: see
// [wsutil.SendDisplaced]. The hub reports a gap to the receiver when there is
// room.
func (m *Member) Displaced() { m.lost.Store(true) }

// goLive replays the publications after o.Since, and makes sub live.
func (h *Hub) goLive(ctx context.Context, sub *subscription, o *SubscribeOptions) (Subscribed, error) {
	at := o.Since
	result := Subscribed{Recovered: !at.IsZero(), Replayed: at}
	for {
		if result.Recovered {
			var err error
			at, err = h.replay(ctx, sub, at, &result.Replayed)
			switch {
			case errors.Is(err, ErrCannotRecover), errors.Is(err, ErrNoHistory):
				result.Recovered = false
			case err != nil:
				return Subscribed{}, err
			}
		}
		if live, err := sub.start(at, &result, o.Live); live || err != nil {
			if err == nil && !o.Since.IsZero() {
				h.stats.recovery(result.Recovered)
			}
			return result, err
		}
	}
}

// replayStep is the maximum number of publications that are read from the
// history at once.
const replayStep = 64

// replay replays up to replayStep publications after since, and returns the
// position to continue from. It sets *last to the position of the last one that
// it replayed.
func (h *Hub) replay(ctx context.Context, sub *subscription, since Position, last *Position) (Position, error) {
	name := sub.source.name
	bounded, cancel := h.bound(ctx)
	pubs, top, err := h.broker.History(bounded, name, since, replayStep)
	cancel()
	switch {
	case err != nil:
		return since, brokerError("history", err)
	case top.Epoch != since.Epoch || top.Offset < since.Offset:
		return since, ErrCannotRecover
	}
	for _, p := range pubs {
		m := newMessage(name, p)
		m.Replayed, m.Previous = true, *last
		switch err := sub.member.receiver.Replay(ctx, m); {
		case errors.Is(err, wsutil.ErrSendTooLarge): // now and at each later attempt
			return since, ErrCannotRecover
		case err != nil:
			return since, fmt.Errorf("hub: replay: %w", err)
		}
		*last = p.Position
	}
	if len(pubs) == 0 {
		return top, nil
	}
	return *last, nil
}

// start makes sub live if all publications that were delivered to others are
// replayed, or if there is nothing to replay.
func (sub *subscription) start(at Position, result *Subscribed, live func(Subscribed) bool) (bool, error) {
	s := sub.source
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case sub.ended:
		return false, ErrLeft
	case !result.Recovered:
		*result = Subscribed{Position: s.position}
	case s.position.Epoch != at.Epoch:
		*result = Subscribed{Position: s.position}
	case s.position.Offset > at.Offset:
		return false, nil
	default:
		result.Position, sub.after = at, at.Offset
	}
	if live != nil && !live(*result) {
		return false, ErrLeft
	}
	s.enter(sub)
	return true, nil
}

// add adds sub to the list of the member.
func (m *Member) add(sub *subscription) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.left:
		return ErrLeft
	case m.find(sub.source) != nil:
		return ErrSubscribed
	}
	if m.many == nil && len(m.few) == manySubs {
		m.many = make(map[*source]*subscription)
		for _, sub := range m.few {
			m.many[sub.source] = sub
		}
		m.few = nil
	}
	if m.many != nil {
		m.many[sub.source] = sub
	} else {
		m.few = append(m.few, sub)
	}
	return nil
}

// forget removes sub from the list of the member.
func (m *Member) forget(sub *subscription) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(sub)
}

// find returns the subscription to s, or nil. m.mu is held.
func (m *Member) find(s *source) *subscription {
	if m.many != nil {
		return m.many[s]
	}
	for _, sub := range m.few {
		if sub.source == s {
			return sub
		}
	}
	return nil
}

// remove removes sub, which may be removed already. m.mu is held.
func (m *Member) remove(sub *subscription) {
	if m.many != nil {
		if m.many[sub.source] == sub {
			delete(m.many, sub.source)
		}
		if len(m.many) <= manySubs/2 { // releases the memory of the map
			m.few = slices.Collect(maps.Values(m.many))
			m.many = nil
		}
		return
	}
	for i := range m.few {
		if m.few[i] == sub {
			m.few[i] = m.few[len(m.few)-1]
			m.few[len(m.few)-1] = nil
			m.few = m.few[:len(m.few)-1]
			return
		}
	}
}

// all returns all subscriptions. m.mu is held.
func (m *Member) all() []*subscription {
	if m.many != nil {
		return slices.Collect(maps.Values(m.many))
	}
	return slices.Clone(m.few)
}

// isOn reports whether the member gets the publication at a position through
// one of these sources, which are locked. exact may be nil.
func (m *Member) isOn(exact *source, patterns []*source, at Position) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if exact != nil {
		if sub := m.find(exact); sub != nil && sub.at >= 0 && !sub.has(at) {
			return true
		}
	}
	for _, w := range patterns {
		if sub := m.find(w); sub != nil && sub.at >= 0 {
			return true
		}
	}
	return false
}
