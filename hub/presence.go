package hub

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"time"
)

// ID returns the ID of the member in [Presence]. It is random and does not
// change.
func (m *Member) ID() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.id == "" {
		m.id = rand.Text()
	}
	return m.id
}

// shown is what a hub knows about a member that is visible by one of its
// subscriptions.
type shown struct {
	data  []byte
	sent  bool      // a Join was published, or the attempt has begun
	until time.Time // others know the member, and its entry exists, until then
}

// Presence returns up to limit members that are present on a topic, in no
// particular order, and their total number. They are the members of all hubs if
// the broker is a [PresenceStore], and otherwise of this hub. With limit 0 it
// only counts; a negative limit means all.
func (h *Hub) Presence(ctx context.Context, topic string, limit int) ([]Presence, int, error) {
	if err := h.checkTopic(topic, false); err != nil {
		return nil, 0, err
	}
	s := h.find(topic)
	if h.store != nil {
		ctx, cancel := h.bound(ctx)
		defer cancel()
		found, count, err := h.store.Presence(ctx, topic, limit)
		switch {
		case err == nil:
			s.learnAll(found)
			return found, count, nil
		case !errors.Is(err, errors.ErrUnsupported):
			return nil, 0, brokerError("presence", err)
		}
	}
	if s == nil {
		return nil, 0, nil
	}
	found, count := s.presence(limit)
	return found, count, nil
}

// presence returns the members of this hub that are present on s.
func (s *source) presence(limit int) (found []Presence, count int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub, p := range s.present {
		if len(found) == limit {
			break
		}
		found = append(found, Presence{sub.member.ID(), p.data})
	}
	return found, len(s.present)
}

// appear makes sub visible with this data, unless data is nil. If the broker is
// unreachable, the next renewal in a PresenceStore does it.
func (h *Hub) appear(ctx context.Context, sub *subscription, data []byte) {
	if data == nil || !sub.setVisible(bytes.Clone(data)) {
		return
	}
	if h.local { // the call does not wait, and nothing would repeat it
		ctx = context.Background()
	}
	h.show(ctx, sub)
}

// setVisible records that the member is visible. It reports whether the
// subscription still exists.
func (sub *subscription) setVisible(data []byte) bool {
	s := sub.source
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub.ended {
		return false
	}
	if s.present == nil {
		s.present = make(map[*subscription]shown)
	}
	s.present[sub] = shown{data: data}
	return true
}

// show sets or renews the entry of a member that is visible. It publishes a
// Join if the member is new, or if others may have seen its entry expire.
func (h *Hub) show(ctx context.Context, sub *subscription) {
	m, s := sub.member, sub.source
	ctx, cancel := h.bound(ctx)
	defer cancel()
	if !m.hold(ctx) {
		return
	}
	defer m.release()
	p, visible := sub.beginShow()
	if !visible {
		return
	}
	h.leaveBeforeJoin(ctx, sub)
	until := time.Now().Add(h.opts.PresenceTTL)
	var failed, lost error
	if h.store != nil {
		failed = h.store.SetPresence(ctx, s.name, Presence{m.ID(), p.data}, h.opts.PresenceTTL)
	}
	if !p.sent || failed == nil && time.Now().After(p.until) {
		_, lost = h.broker.Publish(ctx, s.name, Publication{Kind: Join, ID: m.ID(), Payload: p.data})
	}
	if failed == nil && lost == nil {
		sub.setShown(until)
	}
}

// beginShow returns what is known about the member, and records that a Join may
// be published.
func (sub *subscription) beginShow() (p shown, visible bool) {
	s := sub.source
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, visible = s.present[sub]; visible {
		s.present[sub] = shown{p.data, true, p.until}
	}
	return p, visible
}

// setShown records until when others know the member.
func (sub *subscription) setShown(until time.Time) {
	s := sub.source
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, visible := s.present[sub]; visible {
		p.until = until
		s.present[sub] = p
	}
}

// hold waits until no other call of the broker about the presence of m is in
// progress, and reports false if ctx ends first. Otherwise the caller has the
// turn, and must call release. Turns keep an entry from being set after it was
// removed, and a Leave from being published after the Join of the next
// subscription.
func (m *Member) hold(ctx context.Context) bool {
	m.mu.Lock()
	if m.turn == nil { // only members that become visible need it
		m.turn = make(chan struct{}, 1)
	}
	turn := m.turn
	m.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return true
	default:
	}
	select {
	case turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// release ends the turn of the caller.
func (m *Member) release() { <-m.turn }

// renewPresence renews the entries of this hub in the broker until ctx ends.
func (h *Hub) renewPresence(ctx context.Context) {
	h.eachThird(ctx, func(s *source) {
		for _, sub := range s.visible() {
			h.show(ctx, sub)
		}
	})
}

// eachThird calls f for all topics after each third of PresenceTTL, until ctx
// ends. A call that the store does not answer in time only delays the next ones.
func (h *Hub) eachThird(ctx context.Context, f func(s *source)) {
	due := time.NewTicker(h.opts.PresenceTTL / 3)
	defer due.Stop()
	for {
		select {
		case <-due.C:
			h.all(f)
		case <-ctx.Done():
			return
		}
	}
}

// visible returns the subscriptions that make members visible.
func (s *source) visible() []*subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.present))
}
