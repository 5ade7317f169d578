package websocket

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// writeLock is the lock for writing frames. One goroutine holds it at a time,
// for one frame. A message of several frames stays open between them: other
// goroutines may then write control frames, but no message. A waiter may stop
// waiting. Control frames and the rest of the open message go before new
// messages.
//
// state is complete while nothing waits. If its bit writeCrowded is set, there
// may be waiters or replies. They change only while mu is held. state then also
// changes only while mu is held, unless the holder of the lock changes it.
type writeLock struct {
	state   atomic.Uint32
	mu      sync.Mutex
	urgent  waiters        // for a control frame or a fragment
	waiting waiters        // for a message
	spare   *waiter        // to be reused
	replies wsutil.Replies // frames that the holder must write before it releases the lock
}

const (
	writeHeld    = 1 << iota // the lock is held
	writeOpen                // a message has begun and not ended
	writeCrowded             // there may be waiters or replies
)

// kind is the purpose for which the lock is wanted.
type kind uint8

const (
	forMessage  kind = iota // the first frame of a message, or all of it
	forFragment             // another frame of the open message
	forControl
)

// waiter is a goroutine that waits for the lock.
type waiter struct {
	kind    kind
	granted bool
	ready   chan struct{} // capacity 1

	prev, next *waiter // in a ring
}

// waiters is a first-in, first-out queue, implemented as a ring. All operations
// take constant time.
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

// free reports whether a lock in state s may be taken for k.
func (k kind) free(s uint32) bool {
	return s&writeHeld == 0 && (k != forMessage || s&writeOpen == 0)
}

// lock waits for the lock and reports whether it has taken it. It usually
// returns false if ctx or done ends first.
func (l *writeLock) lock(ctx context.Context, k kind, done <-chan struct{}) bool {
	if l.tryLock(k) {
		return true
	}
	w := l.enter(k)
	if w == nil {
		return true
	}
	select {
	case <-w.ready:
		l.keep(w)
		return true
	case <-ctx.Done():
	case <-done:
	}
	return !l.leave(w)
}

// tryLock takes the lock if it is free and nothing waits.
func (l *writeLock) tryLock(k kind) bool {
	if l.state.CompareAndSwap(0, writeHeld) { // the usual case
		return true
	}
	s := l.state.Load()
	return s&writeCrowded == 0 && k.free(s) && l.state.CompareAndSwap(s, s|writeHeld)
}

// takeOrCrowd takes the lock for k, or sets writeCrowded so that the holder
// looks at waiters and replies. mu is held.
func (l *writeLock) takeOrCrowd(k kind) bool {
	for {
		s := l.state.Load()
		if k.free(s) {
			if l.state.CompareAndSwap(s, s|writeHeld) {
				return true
			}
		} else if l.state.CompareAndSwap(s, s|writeCrowded) {
			return false
		}
	}
}

// enter queues a waiter, or takes the lock and returns nil.
func (l *writeLock) enter(k kind) *waiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.takeOrCrowd(k) {
		return nil
	}
	w := l.spare
	if w == nil {
		w = &waiter{ready: make(chan struct{}, 1)}
	}
	l.spare = nil
	*w = waiter{kind: k, ready: w.ready}
	l.queue(k).push(w)
	return w
}

func (l *writeLock) queue(k kind) *waiters {
	if k == forMessage {
		return &l.waiting
	}
	return &l.urgent
}

func (l *writeLock) nobodyWaits() bool { return l.urgent.first == nil && l.waiting.first == nil }

// keep keeps w, which is in no queue, for the next goroutine that waits.
func (l *writeLock) keep(w *waiter) {
	l.mu.Lock()
	l.spare = w
	l.mu.Unlock()
}

// leave removes w from its queue. It returns false if w was granted the lock.
func (l *writeLock) leave(w *waiter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.granted {
		return false
	}
	l.queue(w.kind).remove(w)
	return true
}

// unlock releases the lock. It clears the bits in drop and then sets those in
// set: writeOpen is cleared at the end of a message and set at the end of a
// fragment. If there are replies, unlock keeps the lock and returns them; the
// caller writes them and calls unlock again. If answered is true, the caller
// has already written some, and unlock passes the remaining ones to the next
// waiter, so that a flood of pings does not keep the lock from other
// goroutines.
func (l *writeLock) unlock(drop, set uint32, answered bool) (replies wsutil.Replies) {
	if l.tryUnlock(drop, set) {
		return wsutil.Replies{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state.Load()&^(writeHeld|writeCrowded|drop) | set
	var w *waiter
	if l.replies.Empty() || answered {
		w = l.pick(s)
	}
	if w == nil && !l.replies.Empty() {
		return l.replies.Take()
	}
	if w != nil {
		w.granted = true
		w.ready <- struct{}{}
		s |= writeHeld
	}
	if !l.nobodyWaits() || !l.replies.Empty() {
		s |= writeCrowded
	}
	l.state.Store(s)
	return wsutil.Replies{}
}

// tryUnlock is unlock if there are no waiters and no replies.
func (l *writeLock) tryUnlock(drop, set uint32) bool {
	s := l.state.Load()
	return s&writeCrowded == 0 && l.state.CompareAndSwap(s, s&^(writeHeld|drop)|set)
}

// endMessage ends the open message. The caller need not hold the lock, and
// another goroutine may hold it.
func (l *writeLock) endMessage() {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.change(writeOpen, 0)
	if s&writeHeld != 0 || l.nobodyWaits() {
		return
	}
	if w := l.pick(s); w != nil { // with writeCrowded set, tryLock fails
		w.granted = true
		w.ready <- struct{}{}
		s |= writeHeld
	}
	if l.nobodyWaits() {
		s &^= writeCrowded
	}
	l.state.Store(s)
}

// change clears and sets bits of the state as unlock does, and returns the new
// state.
func (l *writeLock) change(drop, set uint32) uint32 {
	for {
		s := l.state.Load()
		if l.state.CompareAndSwap(s, s&^drop|set) {
			return s&^drop | set
		}
	}
}

// pick removes the next waiter in state s from its queue and returns it.
func (l *writeLock) pick(s uint32) *waiter {
	q := &l.urgent
	if q.first == nil && forMessage.free(s) {
		q = &l.waiting
	}
	w := q.first
	if w != nil {
		q.remove(w)
	}
	return w
}

// lockOrLeave takes the lock if it is free. Otherwise it leaves a control frame
// to the holder and returns false.
func (l *writeLock) lockOrLeave(op ws.OpCode, p []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.takeOrCrowd(forControl) {
		return true
	}
	l.replies.Add(op, p)
	return false
}
