package websocket

import (
	"context"
	"sync"
	"sync/atomic"
)

// turn is the right to write frames. One goroutine holds it at a time, for one frame.
// A message that goes out in several frames stays open between them: others may write
// control frames then, but no message. Who waits can give up, and control frames and
// the rest of the open message go before new messages.
//
// state says all as long as nobody waits. If its bit turnCrowded is set, the waiters or
// replies may not be none, and both state and those change under mu alone.
type turn struct {
	state   atomic.Uint32
	mu      sync.Mutex
	urgent  waiters // for a control frame or a fragment
	waiting waiters // for a message
	spare   *waiter // to be used again
	replies *buffer // what the holder has to write before it gives the turn up
}

const (
	turnHeld    = 1 << iota // somebody writes
	turnOpen                // a message is begun and not ended
	turnCrowded             // look at the waiters and replies
)

// kind is what somebody wants the turn for.
type kind uint8

const (
	forMessage  kind = iota // the first frame of a message, or all of it
	forFragment             // another frame of the open message
	forControl
)

// waiter is somebody who waits for the turn.
type waiter struct {
	kind    kind
	granted bool
	ready   chan struct{} // of capacity 1

	prev, next *waiter // in a ring
}

// waiters is a queue in order of arrival: a ring. All it does takes a few steps, however many
// wait.
type waiters struct{ first *waiter }

func (q *waiters) push(w *waiter) {
	if q.first == nil {
		w.prev, w.next = w, w
		q.first = w
		return
	}
	w.prev, w.next = q.first.prev, q.first
	w.prev.next, w.next.prev = w, w
}

func (q *waiters) remove(w *waiter) {
	w.prev.next, w.next.prev = w.next, w.prev
	switch {
	case w.next == w:
		q.first = nil
	case q.first == w:
		q.first = w.next
	}
	w.prev, w.next = nil, nil
}

// free reports whether a turn in state s may be taken for k.
func (k kind) free(s uint32) bool {
	return s&turnHeld == 0 && (k != forMessage || s&turnOpen == 0)
}

// lock waits for the turn and reports whether it has come. If ctx or done ends before,
// it has not, as a rule.
func (t *turn) lock(ctx context.Context, k kind, done <-chan struct{}) bool {
	if t.tryLock(k) {
		return true
	}
	w := t.enter(k)
	if w == nil {
		return true
	}
	select {
	case <-w.ready:
		t.keep(w)
		return true
	case <-ctx.Done():
	case <-done:
	}
	return !t.leave(w)
}

// tryLock takes the turn if it is free and nobody waits.
func (t *turn) tryLock(k kind) bool {
	s := t.state.Load()
	return s&turnCrowded == 0 && k.free(s) && t.state.CompareAndSwap(s, s|turnHeld)
}

// takeOrCrowd takes the turn for k, or has who holds it look at the waiters and the
// replies. mu is held.
func (t *turn) takeOrCrowd(k kind) bool {
	for {
		s := t.state.Load()
		if k.free(s) {
			if t.state.CompareAndSwap(s, s|turnHeld) {
				return true
			}
		} else if t.state.CompareAndSwap(s, s|turnCrowded) {
			return false
		}
	}
}

// enter queues a waiter, or returns nil with the turn taken.
func (t *turn) enter(k kind) *waiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.takeOrCrowd(k) {
		return nil
	}
	w := t.spare
	if w == nil {
		w = &waiter{ready: make(chan struct{}, 1)}
	}
	t.spare = nil
	*w = waiter{kind: k, ready: w.ready}
	t.queue(k).push(w)
	return w
}

func (t *turn) queue(k kind) *waiters {
	if k == forMessage {
		return &t.waiting
	}
	return &t.urgent
}

func (t *turn) nobodyWaits() bool { return t.urgent.first == nil && t.waiting.first == nil }

// keep puts w, which is in no queue, aside for the next one who waits.
func (t *turn) keep(w *waiter) {
	t.mu.Lock()
	t.spare = w
	t.mu.Unlock()
}

// leave gives up waiting, or reports false: the turn has come meanwhile.
func (t *turn) leave(w *waiter) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.granted {
		return false
	}
	t.queue(w.kind).remove(w)
	return true
}

// unlock gives the turn up. The bits of drop and then those of set change the state:
// turnOpen is dropped at the end of a message, and set at the end of a fragment. If there
// are replies to write, the turn is kept and unlock returns them: it is to be called
// again with them written. Who has answered already leaves more of them to the next one who
// waits, or else a flood of pings would keep the turn from all others.
func (t *turn) unlock(drop, set uint32, answered bool) *buffer {
	if s := t.state.Load(); s&turnCrowded == 0 &&
		t.state.CompareAndSwap(s, s&^(turnHeld|drop)|set) {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.state.Load()&^(turnHeld|turnCrowded|drop) | set
	var w *waiter
	if t.replies == nil || answered {
		w = t.pick(s)
	}
	if r := t.replies; r != nil && w == nil {
		t.replies = nil
		return r
	}
	if w != nil {
		w.granted = true
		w.ready <- struct{}{}
		s |= turnHeld
	}
	if !t.nobodyWaits() || t.replies != nil {
		s |= turnCrowded
	}
	t.state.Store(s)
	return nil
}

// endMessage says that the open message is over. The turn is not needed for that, and
// somebody else may hold it.
func (t *turn) endMessage() {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.change(turnOpen, 0)
	if s&turnHeld != 0 || t.nobodyWaits() {
		return
	}
	if w := t.pick(s); w != nil { // crowded: nobody takes the turn meanwhile
		w.granted = true
		w.ready <- struct{}{}
		s |= turnHeld
	}
	if t.nobodyWaits() {
		s &^= turnCrowded
	}
	t.state.Store(s)
}

// change changes the bits of the state as unlock does, and returns it.
func (t *turn) change(drop, set uint32) uint32 {
	for {
		s := t.state.Load()
		if t.state.CompareAndSwap(s, s&^drop|set) {
			return s&^drop | set
		}
	}
}

// pick takes the waiter out of its queue whose turn it is in state s.
func (t *turn) pick(s uint32) *waiter {
	q := &t.urgent
	if q.first == nil && forMessage.free(s) {
		q = &t.waiting
	}
	w := q.first
	if w != nil {
		q.remove(w)
	}
	return w
}
