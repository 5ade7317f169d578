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

// Stats are counters of one connection, or of all connections that share them.
// Any driver can update them. Stats are safe for concurrent use and must not be
// copied.
type Stats struct {
	// Opened is the number of connections that were opened. Open is the number
	// of those that are open now.
	Opened, Open atomic.Int64

	// Handshakes holds the durations of the handshakes that opened a
	// connection. Lifetimes holds the durations of the connections that are
	// closed.
	Handshakes, Lifetimes Durations

	// MessagesRead and MessagesWritten count complete messages. BytesRead and
	// BytesWritten are the total sizes of these messages as the program sees
	// them. WireBytesRead and WireBytesWritten are the total sizes of their
	// payload on the wire, which differ if messages are compressed.
	MessagesRead, MessagesWritten   atomic.Int64
	BytesRead, BytesWritten         atomic.Int64
	WireBytesRead, WireBytesWritten atomic.Int64

	// These count pings and pongs.
	PingsRead, PingsWritten atomic.Int64
	PongsRead, PongsWritten atomic.Int64

	refused                   counts[int]
	closesRead, closesWritten counts[ws.StatusCode]
}

// CountRead counts a message that was read. size is its size in bytes, and wire
// is the size of its payload on the wire.
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

// CountControl counts a control frame. written says whether it was written or
// read. code is the code of a close frame, and is not used for other frames.
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

// CountRefused counts a handshake that failed. status is as in [Stats.Refused].
func (s *Stats) CountRefused(status int) { s.refused.add(status) }

// Refused returns the number of handshakes that failed with this HTTP status in
// the response. Status 0 means that there was no response, or that a response
// with a status of success could not be used.
func (s *Stats) Refused(status int) int64 { return s.refused.of(status) }

// AllRefused yields each status with which handshakes failed, in ascending
// order, and the number of these handshakes. See [Stats.Refused].
func (s *Stats) AllRefused() iter.Seq2[int, int64] { return s.refused.all() }

// ClosesRead returns the number of received close frames with this code. A
// frame without a code counts as [ws.StatusNoStatusRcvd].
func (s *Stats) ClosesRead(code ws.StatusCode) int64 { return s.closesRead.of(code) }

// ClosesWritten returns the number of sent close frames with this code.
func (s *Stats) ClosesWritten(code ws.StatusCode) int64 { return s.closesWritten.of(code) }

// AllClosesRead yields each code of the received close frames, in ascending
// order, and the number of these frames.
func (s *Stats) AllClosesRead() iter.Seq2[ws.StatusCode, int64] { return s.closesRead.all() }

// AllClosesWritten is [Stats.AllClosesRead] for sent close frames.
func (s *Stats) AllClosesWritten() iter.Seq2[ws.StatusCode, int64] { return s.closesWritten.all() }

// counts holds numbers of events by kind.
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

// durationBuckets is the number of buckets of a [Durations] that have a bound.
// The largest bound is 2^27 ms, about 37 hours.
const durationBuckets = 28

// Durations counts durations in buckets whose bounds are powers of two, from 1
// ms to 2^27 ms. It is safe for concurrent use and must not be copied.
type Durations struct {
	buckets [durationBuckets + 1]atomic.Int64 // the last one has no bound
	sum     atomic.Int64
}

// Add counts t. A negative t counts as 0.
func (d *Durations) Add(t time.Duration) {
	t = max(t, 0)
	i := bits.Len64(uint64((t + time.Millisecond - 1) / time.Millisecond))
	if i > 0 && t <= time.Millisecond<<(i-1) {
		i-- // a duration equal to a bound belongs to that bucket
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

// Buckets yields each bound in ascending order, with the number of durations up
// to that bound. Only [Durations.Count] counts durations above the last bound.
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
