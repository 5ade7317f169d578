package hub

import (
	"context"
	"sync"
	"time"
)

const (
	// maxLeaves is the maximum number of leaves that wait for the broker.
	maxLeaves = 1 << 16

	// leavers is the maximum number of goroutines that send leaves.
	leavers = 32
)

// leaves are the leaves that the broker does not know yet. Goroutines send
// them, so that the end of a member does not wait for the broker. Each leave is
// sent at most once, and only while its entry in a PresenceStore may exist. An
// entry whose leave was not sent expires.
type leaves struct {
	mu      sync.Mutex
	pending map[presenceKey]*leave
	max     int           // number of pending leaves
	senders int           // goroutines
	empty   chan struct{} // closed when nothing is pending; nil if nobody waits
}

// presenceKey identifies a member on a topic.
type presenceKey struct {
	topic  string
	member *Member
}

// leave is the end of a visible subscription.
type leave struct {
	presenceKey
	data  []byte
	since time.Time
	taken bool // by a goroutine; leaves.mu guards it
	done  bool // sent, or replaced by a new join; member.showing guards it
}

// sendLeave removes the entry of a member, and publishes a Leave. A broker in
// memory does it at once, others later.
func (h *Hub) sendLeave(l *leave) {
	switch {
	case h.local:
		h.publishLeave(context.Background(), l)
	case h.leaves.add(l):
		go h.sendLeaves()
	}
}

// add adds l unless too many are pending. It reports whether another goroutine
// must send leaves.
func (q *leaves) add(l *leave) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.pending) >= q.max {
		return false
	}
	if q.pending == nil {
		q.pending = make(map[presenceKey]*leave)
	}
	q.pending[l.presenceKey] = l
	if q.senders == leavers {
		return false
	}
	q.senders++
	return true
}

// sendLeaves sends leaves until none is pending.
func (h *Hub) sendLeaves() {
	for l := h.leaves.take(); l != nil; l = h.leaves.take() {
		h.finishLeave(l)
	}
}

// take returns a leave for the calling goroutine, which ends if there is none.
func (q *leaves) take() *leave {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.pending {
		if !l.taken {
			l.taken = true
			return l
		}
	}
	q.senders--
	return nil
}

// finishLeave sends l, unless its entry has expired or the member has joined
// again. It holds the lock of the member, so that it removes no newer entry.
func (h *Hub) finishLeave(l *leave) {
	defer h.leaves.remove(l)
	l.member.showing.Lock()
	defer l.member.showing.Unlock()
	if l.done || time.Since(l.since) >= h.opts.PresenceTTL {
		return
	}
	l.done = true
	ctx, cancel := h.bound(context.Background())
	defer cancel()
	if h.store != nil {
		h.store.RemovePresence(ctx, l.topic, l.member.ID())
	}
	h.publishLeave(ctx, l)
}

func (h *Hub) publishLeave(ctx context.Context, l *leave) {
	h.broker.Publish(ctx, l.topic, Publication{Kind: Leave, ID: l.member.ID(), Payload: l.data})
}

// leaveBeforeJoin publishes the pending leave of a member that joins the topic
// again. The new entry replaces the old one. member.showing is held.
func (h *Hub) leaveBeforeJoin(ctx context.Context, k presenceKey) {
	l := h.leaves.find(k)
	if l == nil || l.done {
		return
	}
	l.done = true
	h.leaves.remove(l)
	h.publishLeave(ctx, l)
}

func (q *leaves) find(k presenceKey) *leave {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pending[k]
}

// remove removes l, unless a newer leave has replaced it.
func (q *leaves) remove(l *leave) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.pending[l.presenceKey] == l {
		delete(q.pending, l.presenceKey)
	}
	if len(q.pending) > 0 {
		return
	}
	q.pending = nil // releases its memory
	if q.empty != nil {
		close(q.empty)
		q.empty = nil
	}
}

// wait waits until no leave is pending or ctx ends, and returns how many are
// pending.
func (q *leaves) wait(ctx context.Context) int {
	q.mu.Lock()
	n := len(q.pending)
	if n > 0 && q.empty == nil {
		q.empty = make(chan struct{})
	}
	empty := q.empty
	q.mu.Unlock()
	if n == 0 {
		return 0
	}
	select {
	case <-empty:
		return 0
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.pending)
}
