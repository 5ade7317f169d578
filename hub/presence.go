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

// Presence returns up to limit members that are present on a topic, in no
// particular order, and their total number. They are the members of all hubs if
// the broker is a [PresenceStore], and otherwise of this hub. With limit 0 it
// only counts; a negative limit means all.
func (h *Hub) Presence(ctx context.Context, topic string, limit int) ([]Presence, int, error) {
	if err := h.checkTopic(topic, false); err != nil {
		return nil, 0, err
	}
	if store, ok := h.broker.(PresenceStore); ok {
		ctx, cancel := h.bound(ctx)
		defer cancel()
		found, count, err := store.Presence(ctx, topic, limit)
		switch {
		case err == nil:
			return found, count, nil
		case !errors.Is(err, errors.ErrUnsupported):
			return nil, 0, brokerError("presence", err)
		}
	}
	s := h.find(topic)
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
	for sub, data := range s.present {
		if len(found) == limit {
			break
		}
		found = append(found, Presence{sub.member.ID(), data})
	}
	return found, len(s.present)
}

// appear makes sub visible with this data, unless data is nil. If the broker is
// unreachable, the next renewal adds the entry, and no Join is published.
func (h *Hub) appear(ctx context.Context, sub *subscription, data []byte) {
	if data == nil {
		return
	}
	m, s := sub.member, sub.source
	p := Presence{m.ID(), bytes.Clone(data)}
	m.showing.Lock()
	defer m.showing.Unlock()
	s.mu.Lock()
	if sub.ended {
		s.mu.Unlock()
		return
	}
	if s.present == nil {
		s.present = make(map[*subscription][]byte)
	}
	s.present[sub] = p.Data
	s.mu.Unlock()
	ctx, cancel := h.bound(ctx)
	defer cancel()
	if store, ok := h.broker.(PresenceStore); ok {
		store.SetPresence(ctx, s.name, p, h.opts.PresenceTTL)
	}
	h.broker.Publish(ctx, s.name, Publication{Kind: Join, ID: p.ID, Payload: p.Data})
}

// drop ends a subscription. If the member was visible, it publishes a Leave.
func (h *Hub) drop(ctx context.Context, sub *subscription) {
	data, visible := h.end(sub)
	if !visible {
		return
	}
	m := sub.member
	m.showing.Lock()
	defer m.showing.Unlock()
	if store, ok := h.broker.(PresenceStore); ok {
		store.RemovePresence(ctx, sub.source.name, m.ID())
	}
	h.broker.Publish(ctx, sub.source.name, Publication{Kind: Leave, ID: m.ID(), Payload: data})
}

// renewPresence renews the entries of this hub in the broker until ctx ends.
// After a call that the store does not answer in time, the remaining entries
// wait for the next renewal.
func (h *Hub) renewPresence(ctx context.Context) {
	store, ok := h.broker.(PresenceStore)
	if !ok {
		return
	}
	due := time.NewTicker(h.opts.PresenceTTL / 3)
	defer due.Stop()
	for {
		select {
		case <-due.C:
		case <-ctx.Done():
			return
		}
		inTime := true
		h.all(func(s *source) {
			for _, sub := range s.visible() {
				inTime = inTime && h.renew(ctx, store, sub)
			}
		})
	}
}

// visible returns the subscriptions that make members visible.
func (s *source) visible() []*subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.present))
}

// renew renews the entry of a member, unless it is no longer visible. It
// reports whether the store has answered in time. It holds m.showing, so that
// it cannot restore an entry that drop has removed.
func (h *Hub) renew(ctx context.Context, store PresenceStore, sub *subscription) bool {
	m, s := sub.member, sub.source
	m.showing.Lock()
	defer m.showing.Unlock()
	s.mu.Lock()
	data, visible := s.present[sub]
	s.mu.Unlock()
	if !visible {
		return true
	}
	ctx, cancel := h.bound(ctx)
	defer cancel()
	store.SetPresence(ctx, s.name, Presence{m.ID(), data}, h.opts.PresenceTTL)
	return ctx.Err() == nil
}
