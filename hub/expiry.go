package hub

import (
	"context"
	"errors"

	"github.com/wskit/wskit/ws"
)

// known is a member that receivers of a topic know.
type known struct {
	data    []byte
	missing int // number of successive lists that lack it
}

// maxMissing is the number of successive lists that lack a member before its
// receivers get a Leave. One list may be older than the member.
const maxMissing = 2

// learn records what a Join or Leave tells receivers. s.mu is held.
func (s *source) learn(p Publication) {
	if p.Kind == Leave {
		if delete(s.known, p.ID); len(s.known) == 0 {
			s.known = nil
		}
		return
	}
	if s.known == nil {
		s.known = make(map[string]known)
	}
	s.known[p.ID] = known{data: p.Payload}
}

// learnAll records the members of a list that a receiver may get. s may be nil.
func (s *source) learnAll(members []Presence) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range members {
		s.learn(Publication{Kind: Join, ID: p.ID, Payload: p.Data})
	}
}

// expirePresence finds members of other hubs whose entries have expired, and
// delivers a Leave for each, until ctx ends.
func (h *Hub) expirePresence(ctx context.Context) {
	h.eachThird(ctx, func(s *source) (inTime bool) {
		if !s.knowsOthers() {
			return true
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
		return ctx.Err() == nil
	})
}

// knowsOthers reports whether receivers know members of other hubs.
func (s *source) knowsOthers() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
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

// compare delivers a Leave for each member of another hub that is missing in
// too many lists.
func (h *Hub) compare(s *source, members []Presence) {
	listed := make(map[string]bool, len(members))
	for _, p := range members {
		listed[p.ID] = true
	}
	patterns := h.matching(s.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.own()
	for id, k := range s.known {
		if listed[id] || own[id] {
			k.missing = 0
		} else {
			k.missing++
		}
		if k.missing < maxMissing {
			s.known[id] = k
		} else {
			s.publication(h, Publication{Kind: Leave, Op: ws.OpText, ID: id, Payload: k.data}, patterns)
		}
	}
}
