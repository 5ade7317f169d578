package hub

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/wskit/wskit/ws"
)

// members are the members of a hub.
type members struct {
	mu     sync.Mutex
	joined map[*Member]struct{}
	closed bool
	empty  chan struct{} // closed once the hub drains and has no members; nil before
}

func (ms *members) add(m *Member) bool {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if ms.closed {
		return false
	}
	if ms.joined == nil {
		ms.joined = make(map[*Member]struct{})
	}
	ms.joined[m] = struct{}{}
	return true
}

func (ms *members) remove(m *Member) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	delete(ms.joined, m)
	if len(ms.joined) > 0 {
		return
	}
	ms.joined = nil // its memory comes back
	if ms.closed {
		ms.close()
	}
}

// close closes empty. mu is held.
func (ms *members) close() {
	select {
	case <-ms.empty:
	default:
		close(ms.empty)
	}
}

func (ms *members) draining() bool {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	return ms.closed
}

func (ms *members) count() int {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	return len(ms.joined)
}

// drain lets no more members in, and returns those that are there.
func (ms *members) drain() (joined []*Member, empty <-chan struct{}) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if !ms.closed {
		ms.closed, ms.empty = true, make(chan struct{})
	}
	if len(ms.joined) == 0 {
		ms.close()
	}
	return slices.Collect(maps.Keys(ms.joined)), ms.empty
}

// Drain ends the hub's members for a restart: nobody can join or subscribe any more,
// each receiver is closed with [ws.StatusServiceRestart] at a moment of its own within
// spread, so that clients do not all come back at once, and Drain waits until all
// members have left. If ctx ends before, it closes the others at once and returns an
// error that wraps the cause. Messages are delivered until then.
func (h *Hub) Drain(ctx context.Context, spread time.Duration) error {
	joined, empty := h.members.drain()
	rand.Shuffle(len(joined), func(i, k int) { joined[i], joined[k] = joined[k], joined[i] })
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i, m := range joined {
		due := time.Duration(float64(spread) * float64(i) / float64(len(joined)))
		if wait := due - time.Since(start); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-empty:
			case <-ctx.Done():
			}
		}
		go m.receiver.Close(ws.StatusServiceRestart, "server restarts")
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
	}
	if left := h.members.count(); left > 0 {
		return fmt.Errorf("hub: drain: %d members have not left: %w", left, context.Cause(ctx))
	}
	return nil
}
