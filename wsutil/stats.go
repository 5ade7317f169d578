package wsutil

import (
	"cmp"
	"iter"
	"maps"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/ws"
)

// Stats are counters of one connection, or of all that share them, whatever their driver. They
// can be read at any time. All methods may be called by any number of goroutines at once. A
// Stats must not be copied.
type Stats struct {
	// Connections that were opened, and those that are open now.
	Opened, Open atomic.Int64

	// How long the handshakes took that opened a connection, and how long the
	// connections were open that are closed.
	Handshakes, Lifetimes Durations

	// Messages read and written whole, and their bytes: as the program sees them, and
	// as payload on the wire, which differs if they are compressed.
	MessagesRead, MessagesWritten   atomic.Int64
	BytesRead, BytesWritten         atomic.Int64
	WireBytesRead, WireBytesWritten atomic.Int64

	// Pings and pongs.
	PingsRead, PingsWritten atomic.Int64
	PongsRead, PongsWritten atomic.Int64

	refused                   counts[int]
	closesRead, closesWritten counts[ws.StatusCode]
}

// CountRead counts a message that was read: its bytes, and those of its payload on the
// wire.
func (s *Stats) CountRead(size, wire int) {
	s.MessagesRead.Add(1)
	s.BytesRead.Add(int64(size))
	s.WireBytesRead.Add(int64(wire))
}

// CountWritten counts a message that was written, as [Stats.CountRead] does.
func (s *Stats) CountWritten(size, wire int) {
	s.MessagesWritten.Add(1)
	s.BytesWritten.Add(int64(size))
	s.WireBytesWritten.Add(int64(wire))
}

// CountControl counts a control frame that was read, or written. code is that of a close
// frame.
func (s *Stats) CountControl(op ws.OpCode, written bool, code ws.StatusCode) {
	switch {
	case op == ws.OpClose && written:
		s.closesWritten.add(code)
	case op == ws.OpClose:
		s.closesRead.add(code)
	case op == ws.OpPing && written:
		s.PingsWritten.Add(1)
	case op == ws.OpPing:
		s.PingsRead.Add(1)
	case written:
		s.PongsWritten.Add(1)
	default:
		s.PongsRead.Add(1)
	}
}

// CountRefused counts a handshake that failed with this HTTP status, or 0 without an
// answer.
func (s *Stats) CountRefused(status int) { s.refused.add(status) }

// Refused returns the number of handshakes that failed with this HTTP status: that of the
// answer. Status 0 means that there was no answer, or one of success that could not be
// used.
func (s *Stats) Refused(status int) int64 { return s.refused.of(status) }

// AllRefused yields the statuses with which handshakes failed, in ascending order, and
// how often each did. See [Stats.Refused].
func (s *Stats) AllRefused() iter.Seq2[int, int64] { return s.refused.all() }

// ClosesRead returns how many close frames came with code. A frame without a code has
// [ws.StatusNoStatusRcvd].
func (s *Stats) ClosesRead(code ws.StatusCode) int64 { return s.closesRead.of(code) }

// ClosesWritten returns how many close frames with code were sent.
func (s *Stats) ClosesWritten(code ws.StatusCode) int64 { return s.closesWritten.of(code) }

// AllClosesRead yields the codes of the close frames that came, in ascending order, and how
// often each did.
func (s *Stats) AllClosesRead() iter.Seq2[ws.StatusCode, int64] { return s.closesRead.all() }

// AllClosesWritten yields the codes of the close frames that were sent, as
// [Stats.AllClosesRead] does.
func (s *Stats) AllClosesWritten() iter.Seq2[ws.StatusCode, int64] { return s.closesWritten.all() }

// counts is how often something happened, by kind.
type counts[K cmp.Ordered] struct {
	mu sync.Mutex
	m  map[K]int64
}

func (c *counts[K]) add(kind K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = make(map[K]int64)
	}
	c.m[kind]++
}

func (c *counts[K]) of(kind K) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.m[kind]
}

// all yields the counts at the time of the call, in the order of their kinds.
func (c *counts[K]) all() iter.Seq2[K, int64] {
	c.mu.Lock()
	m := maps.Clone(c.m)
	c.mu.Unlock()
	return func(yield func(K, int64) bool) {
		for _, kind := range slices.Sorted(maps.Keys(m)) {
			if !yield(kind, m[kind]) {
				return
			}
		}
	}
}

// durationBuckets is the number of buckets of a [Durations] with a bound, the largest of
// which is 2^27 ms, some 37 hours.
const durationBuckets = 28

// Durations counts durations in buckets whose bounds are powers of two, from 1 ms to
// 2^27 ms. It can be read at any time and must not be copied.
type Durations struct {
	buckets [durationBuckets + 1]atomic.Int64 // the last one has no bound
	sum     atomic.Int64
}

// Add counts t. A negative t counts as 0.
func (d *Durations) Add(t time.Duration) {
	t = max(t, 0)
	i := bits.Len64(uint64((t + time.Millisecond - 1) / time.Millisecond))
	if i > 0 && t <= time.Millisecond<<(i-1) {
		i-- // a bound belongs to its bucket
	}
	d.buckets[min(i, durationBuckets)].Add(1)
	d.sum.Add(int64(t))
}

// Count returns the number of durations.
func (d *Durations) Count() (n int64) {
	for i := range d.buckets {
		n += d.buckets[i].Load()
	}
	return n
}

// Sum returns the sum of the durations.
func (d *Durations) Sum() time.Duration { return time.Duration(d.sum.Load()) }

// Buckets yields each bound, in ascending order, with the number of durations that are not
// above it. Longer ones than the last bound are only in [Durations.Count].
func (d *Durations) Buckets() iter.Seq2[time.Duration, int64] {
	return func(yield func(time.Duration, int64) bool) {
		var n int64
		for i := range durationBuckets {
			n += d.buckets[i].Load()
			if !yield(time.Millisecond<<i, n) {
				return
			}
		}
	}
}
