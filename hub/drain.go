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
	empty  chan struct{} // closed when the hub drains and has no members; nil before
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
	ms.joined = nil // releases its memory
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

// drain admits no more members and returns the current ones.
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

// Drain closes all members for a restart. From then on, Join and Subscribe
// return [ErrDraining]. Drain closes each receiver with
// [ws.StatusServiceRestart] at a different time within spread, so that clients
// do not all reconnect at once. It waits until all members have left, and then
// until the hub has passed their leaves to the broker: see [PresenceStore].
// Messages are delivered until then. If ctx ends earlier, Drain closes the
// remaining receivers immediately and returns an error that wraps the cause.
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
	case <-ctx.Done():
	}
	if left := h.members.count(); left > 0 {
		return fmt.Errorf("hub: drain: %d members have not left: %w", left, context.Cause(ctx))
	}
	if pending := h.leaves.wait(ctx); pending > 0 {
		return fmt.Errorf("hub: drain: %d leaves still wait for the broker: %w", pending, context.Cause(ctx))
	}
	return nil
}
