package websocket

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// writeLock is the right to write frames. One goroutine holds it at a time, for one
// frame. A message that is sent in several frames stays open between them: others may
// write control frames then, but no message. Waiting can be given up, and control
// frames and the rest of the open message go before new messages.
//
// state says everything as long as nobody waits. If its bit writeCrowded is set, there
// may be waiters or replies: those change under mu, and so does state, but for the
// holder of the lock.
type writeLock struct {
	state   atomic.Uint32
	mu      sync.Mutex
	urgent  waiters        // for a control frame or a fragment
	waiting waiters        // for a message
	spare   *waiter        // to be used again
	replies wsutil.Replies // what the holder has to write before it releases the lock
}

const (
	writeHeld    = 1 << iota // somebody writes
	writeOpen                // a message is begun and not ended
	writeCrowded             // look at the waiters and replies
)

// kind is what the lock is wanted for.
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
	ready   chan struct{} // of capacity 1

	prev, next *waiter // in a ring
}

// waiters is a queue in order of arrival: a ring. Each operation takes a few steps,
// however many wait.
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

// lock waits for the lock and reports whether it is held. If ctx or done ends before,
// it is not, as a rule.
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

// tryLock takes the lock if it is free and nobody waits.
func (l *writeLock) tryLock(k kind) bool {
	if l.state.CompareAndSwap(0, writeHeld) { // as most often
		return true
	}
	s := l.state.Load()
	return s&writeCrowded == 0 && k.free(s) && l.state.CompareAndSwap(s, s|writeHeld)
}

// takeOrCrowd takes the lock for k, or makes its holder look at the waiters and the
// replies. mu is held.
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

// enter queues a waiter, or returns nil with the lock taken.
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

// keep puts w, which is in no queue, aside for the next one that waits.
func (l *writeLock) keep(w *waiter) {
	l.mu.Lock()
	l.spare = w
	l.mu.Unlock()
}

// leave ends waiting, or reports false: the lock was granted meanwhile.
func (l *writeLock) leave(w *waiter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.granted {
		return false
	}
	l.queue(w.kind).remove(w)
	return true
}

// unlock releases the lock. The bits of drop and then those of set change the state:
// writeOpen is dropped at the end of a message, and set at the end of a fragment. If
// there are replies to write, the lock is kept and unlock returns them: call it again
// with them written. If answered is set, the caller has written some already, and the
// next waiter gets the rest: otherwise a flood of pings would keep the lock from all
// others.
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

// tryUnlock is unlock if nobody waits and there are no replies.
func (l *writeLock) tryUnlock(drop, set uint32) bool {
	s := l.state.Load()
	return s&writeCrowded == 0 && l.state.CompareAndSwap(s, s&^(writeHeld|drop)|set)
}

// endMessage says that the open message is over. The lock is not needed for that, and
// another goroutine may hold it.
func (l *writeLock) endMessage() {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.change(writeOpen, 0)
	if s&writeHeld != 0 || l.nobodyWaits() {
		return
	}
	if w := l.pick(s); w != nil { // crowded: nobody takes the lock meanwhile
		w.granted = true
		w.ready <- struct{}{}
		s |= writeHeld
	}
	if l.nobodyWaits() {
		s &^= writeCrowded
	}
	l.state.Store(s)
}

// change changes the bits of the state as unlock does, and returns it.
func (l *writeLock) change(drop, set uint32) uint32 {
	for {
		s := l.state.Load()
		if l.state.CompareAndSwap(s, s&^drop|set) {
			return s&^drop | set
		}
	}
}

// pick takes the waiter out of its queue that is next in state s.
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

// lockOrLeave takes the lock if it is free. Otherwise it leaves a control frame with
// the holder and reports false.
func (l *writeLock) lockOrLeave(op ws.OpCode, p []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.takeOrCrowd(forControl) {
		return true
	}
	l.replies.Add(op, p)
	return false
}
