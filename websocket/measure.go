package websocket

import (
	"cmp"
	"errors"
	"iter"
	"maps"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/ws"
)

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

func (d *Durations) add(t time.Duration) {
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

// Refused returns the number of handshakes that failed with this HTTP status: [Accept]
// answered with it, or the server of a [Dial]. Status 0 means that there was no answer,
// or one of success that could not be used.
func (s *Stats) Refused(status int) int64 { return s.refused.of(status) }

// AllRefused yields the statuses with which handshakes failed, in ascending order, and
// how often each did. See [Stats.Refused].
func (s *Stats) AllRefused() iter.Seq2[int, int64] { return s.refused.all() }

// AllClosesRead yields the codes of the close frames that came, in ascending order, and how
// often each did. A frame without a code has [StatusNoStatusRcvd].
func (s *Stats) AllClosesRead() iter.Seq2[StatusCode, int64] { return s.closesRead.all() }

// AllClosesWritten yields the codes of the close frames that were sent, as
// [Stats.AllClosesRead] does.
func (s *Stats) AllClosesWritten() iter.Seq2[StatusCode, int64] { return s.closesWritten.all() }

// lifetime is when a connection was opened, and for how long it was open, 0 until it is
// closed. It is known if somebody counts or looks on.
type lifetime struct {
	began  clockTime
	lasted atomic.Int64
}

// begins returns when a handshake begins, or 0 if nobody wants to know.
func (o *ConnOptions) begins() clockTime {
	if o.Stats == nil && o.Hooks == nil {
		return 0
	}
	return now()
}

// countOpened counts a connection whose handshake began then, 0 if that is not known.
//
//go:noinline
func (c *Conn) countOpened() {
	c.opts.life.began = now()
	if s := c.opts.Stats; s != nil {
		s.Opened.Add(1)
		s.Open.Add(1)
	}
}

// tellOpened tells of a connection that was opened, whose handshake began then, 0 if that is
// not known. A hook that does not return closes the connection.
//
//go:noinline
func (c *Conn) tellOpened(handshake clockTime) {
	var took time.Duration
	if handshake != 0 {
		took = c.opts.life.began - handshake
		if s := c.opts.Stats; s != nil {
			s.Handshakes.add(took)
		}
	}
	h := c.opts.Hooks
	if h == nil || h.Opened == nil {
		return
	}
	returned := false
	defer func() {
		if !returned {
			c.CloseNow()
		}
	}()
	h.Opened(c, took)
	returned = true
}

// countEnd counts the end of a connection.
func (c *Conn) countEnd() {
	if !c.observed() {
		return
	}
	lasted := now() - c.opts.life.began
	c.opts.life.lasted.Store(int64(lasted))
	if s := c.opts.Stats; s != nil {
		s.Open.Add(-1)
		s.Lifetimes.add(lasted)
	}
}

// refused counts a handshake of Accept that failed with err.
//
//go:noinline
func (o *ConnOptions) refused(err error) {
	if o.Stats != nil {
		o.Stats.refused.add(ws.RefusalStatus(err))
	}
}

// unanswered counts a handshake of Dial that failed with err.
func (o *ConnOptions) unanswered(err error) {
	if o.Stats == nil || errors.Is(err, ErrGroupClosed) {
		return
	}
	status := 0
	if refusal, ok := errors.AsType[*ws.ConnectionRejectedError](err); ok {
		status = refusal.StatusCode()
	}
	o.Stats.refused.add(status)
}
