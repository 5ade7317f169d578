package hub

import (
	"context"
	"errors"
	"maps"

	"github.com/wskit/wskit/ws"
)

// known is a member that receivers of a topic know, or knew until it expired.
type known struct {
	data    []byte
	missing int  // number of successive lists that lack it
	expired bool // receivers got a Leave because it was missing
}

const (
	// maxMissing is the number of successive lists that lack a member before
	// its receivers get a Leave. One list may be older than the member.
	maxMissing = 2

	// maxExpired is the number of successive lists that lack a member before
	// it is forgotten. Until then, its return is noticed without a Join.
	maxExpired = 30
)

// learn records what a Join or Leave tells receivers. s.mu is held.
func (s *source) learn(p Publication) {
	if p.Kind == Leave {
		s.forget(p.ID)
		return
	}
	s.remember(p.ID, known{data: p.Payload})
}

// forget forgets a member. s.mu is held.
func (s *source) forget(id string) {
	if delete(s.known, id); len(s.known) == 0 {
		s.known = nil
	}
}

// learnAll records the members of a list that a receiver may get. A member that
// has expired is left to the next comparison, because the other receivers need
// a Join. s may be nil.
func (s *source) learnAll(members []Presence) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range members {
		if !s.known[p.ID].expired {
			s.learn(Publication{Kind: Join, ID: p.ID, Payload: p.Data})
		}
	}
}

// expirePresence finds members of other hubs whose entries have expired, and
// delivers a Leave for each, until ctx ends.
func (h *Hub) expirePresence(ctx context.Context) {
	h.eachThird(ctx, func(s *source) {
		if !s.knowsOthers() {
			return
		}
		ctx, cancel := h.bound(ctx)
		defer cancel()
		members, _, err := h.store.Presence(ctx, s.name, -1)
		switch {
		case err == nil:
			h.compare(s, members)
		case errors.Is(err, errors.ErrUnsupported):
			s.forgetKnown()
		}
	})
}

// knowsOthers reports whether receivers know members of other hubs.
func (s *source) knowsOthers() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) == 0 {
		return false
	}
	own := s.own()
	for id := range s.known {
		if !own[id] {
			return true
		}
	}
	return false
}

// own returns the IDs of the visible members of this hub. s.mu is held.
func (s *source) own() map[string]bool {
	own := make(map[string]bool, len(s.present))
	for sub := range s.present {
		own[sub.member.ID()] = true
	}
	return own
}

// forgetKnown forgets members that cannot be listed.
func (s *source) forgetKnown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = nil
}

// compare compares what receivers know with a list. It delivers a Leave for each
// member of another hub that is missing in too many lists, and a Join for each
// that has returned after that.
func (h *Hub) compare(s *source, members []Presence) {
	listed := make(map[string]Presence, len(members))
	for _, p := range members {
		listed[p.ID] = p
	}
	patterns := h.matching(s.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return // another source may know the members
	}
	own := s.own()
	for id, k := range maps.Clone(s.known) {
		p, here := listed[id]
		switch {
		case here && k.expired:
			s.publication(h, Publication{Kind: Join, Op: ws.OpText, ID: id, Payload: p.Data}, patterns)
		case here || own[id]:
			s.known[id] = known{data: k.data}
		default:
			h.miss(s, id, k, patterns)
		}
	}
}

// miss records that a list lacks a member that receivers know. s.mu is held.
func (h *Hub) miss(s *source, id string, k known, patterns []*source) {
	k.missing++
	switch {
	case k.missing >= maxExpired:
		s.forget(id)
		return
	case k.missing >= maxMissing && !k.expired:
		s.publication(h, Publication{Kind: Leave, Op: ws.OpText, ID: id, Payload: k.data}, patterns)
		k.expired = true
	}
	s.remember(id, k)
}

// remember records a member. s.mu is held.
func (s *source) remember(id string, k known) {
	if s.known == nil {
		s.known = make(map[string]known)
	}
	s.known[id] = k
}
