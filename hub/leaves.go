package hub

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// maxLeaves is the maximum number of leaves that wait for the broker.
	maxLeaves = 1 << 16

	// leavers is the maximum number of goroutines that send leaves.
	leavers = 32
)

// leave is the end of a visible subscription.
type leave struct {
	*subscription
	data  []byte
	since time.Time
}

// leaves are the leaves that wait for the broker. Goroutines send them, so that
// the end of a member does not wait. At most one goroutine at a time sends
// leaves of the same member. Each leave is sent at most once, and only while its
// entry in a PresenceStore may exist. An entry whose leave is dropped expires.
type leaves struct {
	mu      sync.Mutex
	waiting map[*Member][]*leave // also has members in ready, or whose leave is being sent
	ready   []*Member            // members whose turn comes, the next one first
	pending int                  // leaves that have begun and are not done
	max     int                  // of pending
	senders int                  // goroutines
	empty   chan struct{}        // closed when nothing is pending; nil if nobody waits
}

// leave removes the entry of a member, and publishes a Leave. A broker in
// memory does it immediately, others later.
func (h *Hub) leave(l *leave) {
	if h.local {
		defer h.leaves.done()
		l.member.hold(context.Background())
		defer l.member.release()
		h.publishLeave(context.Background(), l)
	} else if h.leaves.add(l) {
		go h.sendLeaves()
	}
}

// begin records that leave or add will be called, so that wait waits for it.
func (q *leaves) begin() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pending++
}

// add adds l, or drops it if too many are pending. It reports whether another
// goroutine must send leaves.
func (q *leaves) add(l *leave) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.pending > q.max {
		q.ended()
		return false
	}
	if q.waiting == nil {
		q.waiting = make(map[*Member][]*leave)
	}
	others, queued := q.waiting[l.member]
	q.waiting[l.member] = append(others, l)
	if queued {
		return false
	}
	q.ready = append(q.ready, l.member)
	if q.senders == leavers {
		return false
	}
	q.senders++
	return true
}

// sendLeaves sends leaves until no member is ready.
func (h *Hub) sendLeaves() {
	for m := h.leaves.next(nil); m != nil; m = h.leaves.next(m) {
		h.sendLeave(m)
	}
}

// next returns a member whose leave the calling goroutine must send, or nil if
// the goroutine must end. last is the result of the previous call; if it has
// more leaves, they come after those of the other members.
func (q *leaves) next(last *Member) *Member {
	q.mu.Lock()
	defer q.mu.Unlock()
	if last != nil && len(q.waiting[last]) > 0 {
		q.ready = append(q.ready, last)
	} else if delete(q.waiting, last); len(q.waiting) == 0 {
		q.waiting = nil // releases its memory
	}
	if len(q.ready) == 0 {
		q.ready = nil
		q.senders--
		return nil
	}
	m := q.ready[0]
	q.ready[0] = nil
	q.ready = q.ready[1:]
	return m
}

// sendLeave sends the next leave of m, unless its entry has expired or the
// member has joined the topic again.
func (h *Hub) sendLeave(m *Member) {
	turn, cancel := context.WithTimeout(context.Background(), h.opts.PresenceTTL)
	defer cancel()
	held := m.hold(turn)
	if held {
		defer m.release()
	}
	l := h.leaves.take(m, nil)
	if l == nil {
		return
	}
	defer h.leaves.done()
	ctx, cancel := context.WithDeadline(context.Background(), l.since.Add(h.opts.PresenceTTL))
	defer cancel()
	if !held || ctx.Err() != nil {
		return
	}
	if h.store != nil {
		bounded, cancel := h.bound(ctx)
		h.store.RemovePresence(bounded, l.source.name, m.ID())
		cancel()
	}
	h.publishLeave(ctx, l)
}

// publishLeave publishes l. The call has a limit of its own, which a slow store
// cannot use up.
func (h *Hub) publishLeave(ctx context.Context, l *leave) {
	ctx, cancel := h.bound(ctx)
	defer cancel()
	h.broker.Publish(ctx, l.source.name, Publication{Kind: Leave, ID: l.member.ID(), Payload: l.data})
}

// leaveBeforeJoin publishes the pending leave of a member that has joined the
// topic again by sub. The new entry replaces the old one. The caller has the
// turn of the member.
func (h *Hub) leaveBeforeJoin(ctx context.Context, sub *subscription) {
	if l := h.leaves.take(sub.member, sub); l != nil {
		defer h.leaves.done()
		h.publishLeave(ctx, l)
	}
}

// take removes and returns the first waiting leave of m, or nil if there is
// none. If before is not nil, it takes the leave of an earlier subscription to
// the same topic. The caller must call done for the leave. To send it, the
// caller needs the turn of m.
func (q *leaves) take(m *Member, before *subscription) *leave {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, l := range q.waiting[m] {
		if before == nil || l.source.name == before.source.name && l.subscription != before {
			q.waiting[m] = slices.Delete(q.waiting[m], i, i+1)
			return l
		}
	}
	return nil
}

// done records that a leave is no longer pending.
func (q *leaves) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended()
}

// ended is done with mu held.
func (q *leaves) ended() {
	if q.pending--; q.pending == 0 && q.empty != nil {
		close(q.empty)
		q.empty = nil
	}
}

// wait waits until no leave is pending or ctx ends, and returns how many are
// pending.
func (q *leaves) wait(ctx context.Context) int {
	q.mu.Lock()
	n := q.pending
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
	return q.pending
}
