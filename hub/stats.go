package hub

import (
	"sync/atomic"
)

// Stats are the counters of a hub since its creation.
type Stats struct {
	Members       int // now
	Topics        int // topics that have subscriptions now
	Patterns      int // patterns that have subscriptions now
	Subscriptions int // now

	Published uint64 // publications of this hub
	Delivered uint64 // messages that receivers accepted
	Dropped   uint64 // messages that receivers did not accept, or dropped later
	Gaps      uint64 // gaps of a whole topic

	Recovered, NotRecovered uint64 // subscriptions from a position, by their result
}

// counters are the counters of Stats that events change.
type counters struct {
	published, delivered, dropped, gaps atomic.Uint64
	recovered, notRecovered             atomic.Uint64
}

func (c *counters) recovery(recovered bool) {
	if recovered {
		c.recovered.Add(1)
	} else {
		c.notRecovered.Add(1)
	}
}

// Stats returns the counters. It visits all topics.
func (h *Hub) Stats() Stats {
	st := Stats{
		Members:      h.members.count(),
		Published:    h.stats.published.Load(),
		Delivered:    h.stats.delivered.Load(),
		Dropped:      h.stats.dropped.Load(),
		Gaps:         h.stats.gaps.Load(),
		Recovered:    h.stats.recovered.Load(),
		NotRecovered: h.stats.notRecovered.Load(),
	}
	h.all(func(s *source) {
		s.mu.Lock()
		st.Subscriptions += len(s.subs)
		s.mu.Unlock()
		if s.pattern {
			st.Patterns++
		} else {
			st.Topics++
		}
	})
	return st
}

// TopicStats are the counters of a topic or pattern since it last had no
// subscription.
type TopicStats struct {
	Subscribers int
	Delivered   uint64 // messages that receivers accepted
	Dropped     uint64 // messages that receivers did not accept, or dropped later
	Position    Position
	Behind      []Behind // slow subscribers, in no particular order
}

// Behind is a subscriber with queued or dropped messages.
type Behind struct {
	Member   *Member
	Buffered int    // bytes that wait to be sent to it, of all topics
	Dropped  uint64 // messages of this topic that it lost
}

// TopicStats returns the counters of a topic or pattern. They are zero if it
// has no subscription.
func (h *Hub) TopicStats(topic string) (st TopicStats) {
	s := h.find(topic)
	if s == nil {
		return st
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st = TopicStats{Subscribers: len(s.subs), Delivered: s.delivered, Dropped: s.dropped, Position: s.position}
	for _, sub := range s.subs {
		b := Behind{sub.member, sub.member.receiver.Buffered(), uint64(sub.dropped)}
		if b.Buffered > 0 || b.Dropped > 0 {
			st.Behind = append(st.Behind, b)
		}
	}
	return st
}
