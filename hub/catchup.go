package hub

import (
	"context"
	"errors"
	"sync"
	"time"
)

// catching holds the topics with missing publications that may be in the
// history.
type catching struct {
	mu   sync.Mutex
	list []*source
	wake chan struct{} // closed when the list is no longer empty
}

const (
	catchers   = 4                     // goroutines that catch up
	catchStep  = 32                    // publications at once
	catchPause = 10 * time.Millisecond // between two steps, so that queues can drain
	catchRetry = 500 * time.Millisecond
	catchTries = 5  // with a history that does not contain the newest publication yet
	catchFails = 20 // successive errors before publications that arrive are delivered after a gap
)

// Gap implements [Handler]. It is for brokers.
func (h *Hub) Gap(topic string) {
	if topic == "" {
		h.all(h.missing)
	} else if s := h.find(topic); s != nil {
		h.missing(s)
	}
}

// missing records that publications of s may be missing.
func (h *Hub) missing(s *source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.dead || s.behind:
	case !s.history:
		s.gap(h)
	default:
		s.behind, s.failures, s.newest = true, 0, Position{}
		h.catching.add(s)
	}
}

func (c *catching) add(s *source) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, s)
	select {
	case <-c.wake:
	default:
		close(c.wake)
	}
}

// take returns the next topic. It waits for one until ctx ends.
func (c *catching) take(ctx context.Context) (*source, bool) {
	for {
		c.mu.Lock()
		if len(c.list) > 0 {
			s := c.list[0]
			c.list[0] = nil
			c.list = c.list[1:]
			c.mu.Unlock()
			return s, true
		}
		select {
		case <-c.wake:
			c.wake = make(chan struct{})
		default:
		}
		wake := c.wake
		c.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, false
		}
	}
}

// catchUp recovers missing publications until ctx ends.
func (h *Hub) catchUp(ctx context.Context) {
	var all sync.WaitGroup
	for range catchers {
		all.Go(func() {
			for s, ok := h.catching.take(ctx); ok; s, ok = h.catching.take(ctx) {
				h.catchUpOn(ctx, s)
			}
		})
	}
	all.Wait()
}

// catchUpOn recovers and delivers the missing publications of one topic, in
// small steps that do not overflow the queues of receivers. After an error of
// the broker it lets other topics go first, because the error may be permanent.
func (h *Hub) catchUpOn(ctx context.Context, s *source) {
	for tries := 0; ; {
		since, alive := s.lastDelivered()
		if !alive {
			return
		}
		bounded, cancel := h.bound(ctx)
		pubs, top, err := h.broker.History(bounded, s.name, since, catchStep)
		cancel()
		pause, done := catchPause, false
		switch {
		case errors.Is(err, ErrCannotRecover), errors.Is(err, ErrNoHistory):
			done = s.giveUp(h, top)
		case err != nil:
			if !s.withheld(h) && sleep(ctx, catchRetry) {
				h.catching.add(s)
			}
			return
		case len(pubs) == 0 && tries < catchTries:
			tries++
			pause, done = catchRetry, h.caughtUp(s, nil, top)
		case len(pubs) == 0:
			done = s.giveUp(h, Position{})
		default:
			tries, done = 0, h.caughtUp(s, pubs, top)
		}
		if done || !sleep(ctx, pause) {
			return
		}
	}
}

// sleep waits for d, and reports whether ctx has not ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// lastDelivered returns the position of s, and whether s still exists.
func (s *source) lastDelivered() (Position, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.position, !s.dead
}

// caughtUp delivers missing publications. It reports whether none is missing
// any more. If there are none after the position of s, the topic is complete up
// to top: what is in between was not data.
func (h *Hub) caughtUp(s *source, pubs []Publication, top Position) bool {
	patterns := h.matching(s.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return true
	}
	s.behind, s.failures = false, 0 // for advance
	for _, p := range pubs {
		s.publication(h, p, patterns)
	}
	if len(pubs) == 0 && top.Epoch == s.position.Epoch && top.Offset > s.position.Offset {
		s.position = top
	}
	s.behind = len(pubs) == catchStep || s.newest.Epoch == s.position.Epoch && s.newest.Offset > s.position.Offset
	return !s.behind
}

// withheld counts an error of the history. After too many, it reports a gap if
// publications have arrived meanwhile, which wait for the history. It reports
// whether it did. While nothing arrives, nothing is withheld.
func (s *source) withheld(h *Hub) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures++
	if s.failures < catchFails || s.newest.Epoch == s.position.Epoch && s.newest.Offset <= s.position.Offset || s.newest.IsZero() {
		return false
	}
	s.gap(h)
	s.position, s.behind = s.newest, false
	return true
}

// giveUp reports a gap up to a position to the receivers. The zero Position
// means that of the last received publication. It reports whether nothing after
// it is missing.
func (s *source) giveUp(h *Hub, at Position) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gap(h)
	if at.IsZero() {
		at = s.newest
	}
	s.position = at
	s.behind = s.newest.Epoch == at.Epoch && s.newest.Offset > at.Offset
	return !s.behind
}
