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
	until time.Time // others know the member at least until then
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
	if data == nil {
		return
	}
	m, s := sub.member, sub.source
	p := Presence{m.ID(), bytes.Clone(data)}
	m.showing.Lock()
	defer m.showing.Unlock()
	ctx, cancel := h.bound(ctx)
	defer cancel()
	h.leaveBeforeJoin(ctx, presenceKey{s.name, m})
	s.mu.Lock()
	if sub.ended {
		s.mu.Unlock()
		return
	}
	if s.present == nil {
		s.present = make(map[*subscription]shown)
	}
	s.present[sub] = shown{data: p.Data}
	s.mu.Unlock()
	if h.store != nil {
		h.store.SetPresence(ctx, s.name, p, h.opts.PresenceTTL)
	}
	h.publishJoin(ctx, sub, p)
}

// publishJoin publishes a Join, and records that it did.
func (h *Hub) publishJoin(ctx context.Context, sub *subscription, p Presence) {
	_, err := h.broker.Publish(ctx, sub.source.name, Publication{Kind: Join, ID: p.ID, Payload: p.Data})
	if err == nil {
		sub.keepShown(h.opts.PresenceTTL)
	}
}

// keepShown records that others know the member for the duration ttl.
func (sub *subscription) keepShown(ttl time.Duration) {
	s := sub.source
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, visible := s.present[sub]; visible {
		p.until = time.Now().Add(ttl)
		s.present[sub] = p
	}
}

// drop ends a subscription. If the member was visible, it sends a leave.
func (h *Hub) drop(sub *subscription) {
	if p, visible := h.end(sub); visible {
		h.sendLeave(&leave{presenceKey: presenceKey{sub.source.name, sub.member}, data: p.data, since: time.Now()})
	}
}

// renewPresence renews the entries of this hub in the broker until ctx ends.
func (h *Hub) renewPresence(ctx context.Context) {
	h.eachThird(ctx, func(s *source) (inTime bool) {
		for _, sub := range s.visible() {
			if !h.renew(ctx, sub) {
				return false
			}
		}
		return true
	})
}

// eachThird calls f for all topics after each third of PresenceTTL, until ctx
// ends. After a call that the store does not answer in time, the remaining
// topics wait for the next third.
func (h *Hub) eachThird(ctx context.Context, f func(s *source) (inTime bool)) {
	due := time.NewTicker(h.opts.PresenceTTL / 3)
	defer due.Stop()
	for {
		select {
		case <-due.C:
		case <-ctx.Done():
			return
		}
		inTime := true
		h.all(func(s *source) { inTime = inTime && f(s) })
	}
}

// visible returns the subscriptions that make members visible.
func (s *source) visible() []*subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.present))
}

// renew renews the entry of a member, unless it is no longer visible. It
// publishes a Join if others may have seen the entry expire. It reports whether
// the store has answered in time. It holds m.showing, so that it cannot restore
// an entry that was removed. If another call about the member is in progress,
// the entry waits for the next renewal.
func (h *Hub) renew(ctx context.Context, sub *subscription) (inTime bool) {
	m, s := sub.member, sub.source
	if !m.showing.TryLock() {
		return true
	}
	defer m.showing.Unlock()
	s.mu.Lock()
	shown, visible := s.present[sub]
	s.mu.Unlock()
	if !visible {
		return true
	}
	ctx, cancel := h.bound(ctx)
	defer cancel()
	p := Presence{m.ID(), shown.data}
	err := h.store.SetPresence(ctx, s.name, p, h.opts.PresenceTTL)
	if err == nil && time.Now().After(shown.until) {
		h.publishJoin(ctx, sub, p)
	} else if err == nil {
		sub.keepShown(h.opts.PresenceTTL)
	}
	return ctx.Err() == nil
}
