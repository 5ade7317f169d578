package hub

import (
	"context"
	"errors"
	"sync"
	"time"
)

// source is a topic or a pattern with subscriptions. It exists while there are
// subscriptions, or calls that create one.
type source struct {
	name    string
	pattern bool

	// mu guards the fields below. The lock of a pattern is taken after that of
	// a topic, and both before those of members.
	mu       sync.Mutex
	attached bool     // subscribed at the broker
	dead     bool     // removed from the hub
	history  bool     // the broker keeps its history
	behind   bool     // publications are missing: see catchUp
	pins     int      // calls that hold the source without a subscription
	attempt  *attempt // a call of the broker in progress, or nil
	subs     []*subscription
	position Position // of the last delivered publication
	newest   Position // of the last received publication while behind
	failures int      // successive errors of the history while behind
	present  map[*subscription]shown
	known    map[string]known // members that receivers know, by ID; only with a PresenceStore

	delivered, dropped uint64
}

// attempt is a call of the broker about a source. Other callers wait for its
// end.
type attempt struct {
	done chan struct{}
	err  error // valid once done is closed; the source is dead then
}

// ended is the attempt of sources that are dead.
var ended = func() *attempt {
	a := &attempt{done: make(chan struct{})}
	close(a.done)
	return a
}()

// subscription is a member on a source.
type subscription struct {
	source  *source
	member  *Member
	after   uint64 // the offset up to which publications were replayed
	at      int32  // the index in source.subs, or -1
	dropped uint32
	gap     bool // a gap must be reported to the receiver
	ended   bool // canceled, possibly before it went live
}

// attach returns the pinned source of this name after the hub is subscribed at
// the broker. It waits at most until ctx ends.
func (h *Hub) attach(ctx context.Context, name string) (*source, error) {
	for {
		s := h.open(name)
		a := h.pin(s)
		if a == nil {
			return s, nil
		}
		select {
		case <-a.done:
		case <-ctx.Done():
			h.unpin(s)
			return nil, context.Cause(ctx)
		}
		if a.err != nil {
			return nil, a.err
		}
		if s.alive() {
			return s, nil
		}
	}
}

// pin pins s. It returns the attempt that the caller must wait for, or nil.
func (h *Hub) pin(s *source) *attempt {
	s.mu.Lock()
	s.pins++
	a := s.attempt
	first := a == nil && !s.attached
	if first {
		a = &attempt{done: make(chan struct{})}
		s.attempt = a
	}
	s.mu.Unlock()
	switch {
	case first && h.local:
		h.link(s, a)
	case first:
		go h.link(s, a) // it may outlive the call
	}
	return a
}

func (s *source) alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.dead
}

// link subscribes to s at the broker.
func (h *Hub) link(s *source, a *attempt) {
	ctx, cancel := h.bound(context.Background())
	defer cancel()
	top, err := h.linked(ctx, s)
	s.mu.Lock()
	s.history = !top.IsZero()
	s.dead = err != nil
	s.attached = !s.dead
	if top.Epoch != s.position.Epoch || top.Offset > s.position.Offset {
		s.position = top
	}
	if !s.dead {
		s.attempt = nil
	}
	s.mu.Unlock()
	if err != nil {
		a.err = brokerError("subscribe", err)
		h.remove(s)
	}
	close(a.done)
	h.release(s)
}

// linked subscribes at the broker and returns the newest position of a topic
// with history.
func (h *Hub) linked(ctx context.Context, s *source) (Position, error) {
	if err := h.broker.Subscribe(ctx, s.name); err != nil || s.pattern {
		return Position{}, err
	}
	_, top, err := h.broker.History(ctx, s.name, Position{}, 0)
	switch {
	case errors.Is(err, ErrNoHistory):
		return Position{}, nil
	case err != nil:
		h.broker.Unsubscribe(s.name)
	}
	return top, err
}

func (h *Hub) unpin(s *source) {
	s.mu.Lock()
	s.pins--
	s.mu.Unlock()
	h.release(s)
}

// release removes s if it is no longer used.
func (h *Hub) release(s *source) {
	s.mu.Lock()
	if s.attempt != nil || s.pins > 0 || len(s.subs) > 0 {
		s.mu.Unlock()
		return
	}
	s.dead = true
	if h.local { // nothing to wait for
		h.remove(s)
		s.attempt = ended
		s.mu.Unlock()
		return
	}
	a := &attempt{done: make(chan struct{})} // remains in s, which is dead
	s.attempt = a
	s.mu.Unlock()
	h.broker.Unsubscribe(s.name)
	h.remove(s)
	close(a.done)
}

// enter makes sub live. s.mu is held.
func (s *source) enter(sub *subscription) {
	sub.at = int32(len(s.subs))
	s.subs = append(s.subs, sub)
}

// end ends a subscription, which may not be live yet. It reports whether the
// subscription had not ended before. If others may know the member by it, end
// sends a leave. s stays until then, so that the member cannot subscribe again
// by another source of the same topic, whose Join would come first.
func (h *Hub) end(sub *subscription) bool {
	s := sub.source
	s.mu.Lock()
	if sub.ended {
		s.mu.Unlock()
		return false
	}
	sub.ended = true
	if sub.at >= 0 {
		last := len(s.subs) - 1
		s.subs[sub.at] = s.subs[last]
		s.subs[sub.at].at = sub.at
		s.subs[last] = nil
		s.subs = s.subs[:last]
		sub.at = -1
		if c := cap(s.subs); c > 16 && last < c/4 {
			s.subs = append(make([]*subscription, 0, c/2), s.subs...)
		}
	}
	p := s.present[sub]
	if delete(s.present, sub); len(s.present) == 0 {
		s.present = nil
	}
	s.pins++
	if p.sent {
		h.leaves.begin()
	}
	s.mu.Unlock()
	if p.sent {
		h.leave(&leave{sub, p.data, time.Now()})
	}
	h.unpin(s)
	return true
}
