package hub

import (
	"errors"

	"github.com/wskit/wskit/wsutil"
)

// delivery is one publication on its way to the receivers of this hub.
type delivery struct {
	*Message
	exact             *source   // the topic, locked, or nil
	patterns          []*source // matching patterns, locked
	served            int       // number of patterns that were served
	gone              []*Member // members whose receiver failed
	delivered, missed uint64
}

// Publication implements [Handler]. It is for brokers.
func (h *Hub) Publication(topic string, p Publication) {
	s, patterns := h.find(topic), h.matching(topic)
	if s == nil {
		if len(patterns) > 0 {
			h.deliver(&delivery{Message: newMessage(topic, p), patterns: patterns})
		}
		return
	}
	if s.pattern { // a pattern, which cannot be published to
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.publication(h, p, patterns)
}

// publication delivers p unless it must wait or was already delivered. s.mu is
// held.
func (s *source) publication(h *Hub, p Publication, patterns []*source) {
	previous := s.position
	if !s.advance(h, p.Position) {
		return
	}
	if p.Kind != Data && h.store != nil {
		s.learn(p)
	}
	m := newMessage(s.name, p)
	if previous.Epoch == p.Position.Epoch {
		m.Previous = previous
	}
	h.deliver(&delivery{Message: m, exact: s, patterns: patterns})
}

// deliver offers d to the receivers of its topic, whose lock is held, and of
// the patterns. It holds all locks together, so that a receiver on several of
// them gets d once. There is no deadlock, because [patterns.match] returns
// patterns that match two topics in the same order for both.
func (h *Hub) deliver(d *delivery) {
	for _, w := range d.patterns {
		w.mu.Lock()
		defer w.mu.Unlock()
	}
	if d.exact != nil {
		d.exact.offer(h, d)
	}
	for i, w := range d.patterns {
		d.served = i
		w.offer(h, d)
	}
	h.delivered(d)
}

// delivered updates counters, and removes members whose receivers failed.
func (h *Hub) delivered(d *delivery) {
	h.stats.delivered.Add(d.delivered)
	h.stats.dropped.Add(d.missed)
	if len(d.gone) > 0 {
		go func() {
			for _, m := range d.gone {
				m.Leave()
			}
		}()
	}
}

// advance records a position. It reports whether its publication can be
// delivered: it is new, and nothing before it is missing. s.mu is held.
func (s *source) advance(h *Hub, at Position) bool {
	last := s.position
	switch {
	case at.IsZero():
		return true
	case at.Epoch == last.Epoch && at.Offset <= last.Offset:
		return false
	case s.behind:
		s.newest = at // catchUp will find it in the history
		return false
	case at.Epoch != last.Epoch && last.Epoch != 0:
		s.gap(h)
	}
	s.position = at
	return true
}

// gap reports a gap to all receivers. s.mu is held.
func (s *source) gap(h *Hub) {
	h.stats.gaps.Add(1)
	for _, sub := range s.subs {
		sub.gap, sub.after = true, 0
	}
	d := delivery{Message: newMessage(s.name, Publication{Kind: Gap})}
	s.offer(h, &d)
	h.delivered(&d)
}

// offer offers d to all receivers. s.mu is held.
func (s *source) offer(h *Hub, d *delivery) {
	delivered, missed := d.delivered, d.missed
	for i := 0; i < len(s.subs); {
		i = s.offerFrom(h, i, d)
	}
	s.delivered += d.delivered - delivered
	s.dropped += d.missed - missed
}

// offerFrom is offer starting at an index. It returns the index to continue
// from after a panic.
func (s *source) offerFrom(h *Hub, i int, d *delivery) (next int) {
	defer func() {
		if next < len(s.subs) {
			m := s.subs[next].member
			d.gone = append(d.gone, m)
			next++
			if v := recover(); h.opts.Panicked != nil {
				h.opts.Panicked(m, v)
			}
		}
	}()
	for next = i; next < len(s.subs); next++ {
		if sub := s.subs[next]; !d.skips(s, sub) {
			d.offer(sub)
		}
	}
	return next
}

// skips reports whether sub of s gets d in another way: it was replayed, or the
// member is subscribed to the topic or to a pattern that was served before.
func (d *delivery) skips(s *source, sub *subscription) bool {
	if !s.pattern {
		return sub.has(d.Position)
	}
	return (d.exact != nil || d.served > 0) && sub.member.isOn(d.exact, d.patterns[:d.served], d.Position)
}

// has reports whether the publication at this position was replayed.
func (sub *subscription) has(at Position) bool { return at.Offset != 0 && at.Offset <= sub.after }

// offer offers d to one receiver.
func (d *delivery) offer(sub *subscription) {
	if sub.gap && d.Kind != Gap && !d.offerGap(sub) {
		d.drop(sub)
		return
	}
	result, err := sub.member.receiver.Deliver(d.Message)
	switch {
	case err != nil && !errors.Is(err, wsutil.ErrSendTooLarge):
		d.gone = append(d.gone, sub.member)
	case d.Kind == Gap:
		sub.gap = !result.Taken()
	case !result.Taken():
		d.drop(sub)
	default:
		d.delivered++
		d.displaced(sub, result)
	}
}

// offerGap reports a gap of this topic to a receiver.
func (d *delivery) offerGap(sub *subscription) bool {
	result, err := sub.member.receiver.Deliver(newMessage(sub.source.name, Publication{Kind: Gap}))
	sub.gap = err != nil || !result.Taken()
	return !sub.gap
}

// drop records that d was dropped for a receiver.
func (d *delivery) drop(sub *subscription) {
	d.missed++
	sub.dropped++
	sub.gap = true
}

// displaced records that a receiver dropped waiting messages, of any topic, and
// reports a gap when there is room.
func (d *delivery) displaced(sub *subscription, result wsutil.SendResult) {
	m := sub.member
	if result == wsutil.SendDisplaced {
		d.missed++
		sub.dropped++
		m.lost.Store(true)
	} else if m.lost.Load() {
		result, err := m.receiver.Deliver(newMessage("", Publication{Kind: Gap}))
		m.lost.Store(err != nil || !result.Taken() || result == wsutil.SendDisplaced)
	}
}
