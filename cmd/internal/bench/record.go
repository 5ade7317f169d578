package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The range of recorded latencies: from 100 ns to 10 min, to three digits.
// Longer ones count as the longest.
const (
	shortest = 100 * time.Nanosecond
	longest  = 10 * time.Minute
	digits   = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(shortest), int64(longest), digits)
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	h.RecordValue(int64(min(max(d, 0), longest))) // the value is in range, so this cannot fail
}

// tally counts messages and their bytes on the wire.
type tally struct {
	sent, received           int64
	bytesSent, bytesReceived int64
	unsolicited              int64 // messages that are not answers
	wrong                    int64 // answers with wrong content
	scripts                  int64 // completed scripts
}

func (t *tally) add(u tally) {
	t.sent += u.sent
	t.received += u.received
	t.bytesSent += u.bytesSent
	t.bytesReceived += u.bytesReceived
	t.unsolicited += u.unsolicited
	t.wrong += u.wrong
	t.scripts += u.scripts
}

// shard records for some of the workers. There are several, so that workers do
// not wait for each other.
type shard struct {
	mu      sync.Mutex
	latency *hdrhistogram.Histogram
	lag     *hdrhistogram.Histogram // lateness of our own timers, with a rate
	tally   tally
	last    time.Duration // when the last answer arrived

	_ [64]byte // keeps other shards off the cache line
}

// recorder collects the measurements of the workers in slices of time.
type recorder struct {
	shards []shard

	mu       sync.Mutex // guards the fields below
	total    tally
	latency  *hdrhistogram.Histogram
	lag      *hdrhistogram.Histogram
	timeline []Point
	begun    time.Duration // start of the open slice
}

func newRecorder(shards int) *recorder {
	r := &recorder{shards: make([]shard, shards), latency: newHistogram(), lag: newHistogram()}
	for i := range r.shards {
		r.shards[i].latency, r.shards[i].lag = newHistogram(), newHistogram()
	}
	return r
}

// slice ends a slice of time at now. It adds the shards to the totals, and a
// point to the timeline. It returns the totals and the point.
func (r *recorder) slice(now time.Duration, open int) (tally, Point) {
	r.mu.Lock()
	defer r.mu.Unlock()
	latency, t := r.collect()
	r.total.add(t)
	r.latency.Merge(latency)
	seconds := (now - r.begun).Seconds()
	if seconds <= 0 {
		return r.total, Point{}
	}
	point := Point{At: now.Seconds(), Open: open, PerSecond: float64(t.received) / seconds}
	if latency.TotalCount() > 0 {
		point.P50, point.P99 = micros(latency.ValueAtQuantile(50)), micros(latency.ValueAtQuantile(99))
	}
	r.timeline = append(r.timeline, point)
	r.begun = now
	return r.total, point
}

// finish adds the measurements after the last slice. It returns when the last
// answer arrived.
func (r *recorder) finish() (last time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	latency, t := r.collect()
	r.total.add(t)
	r.latency.Merge(latency)
	for i := range r.shards {
		last = max(last, r.shards[i].last)
	}
	return last
}

// begin begins the first slice of time.
func (r *recorder) begin(now time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun = now
}

// forget discards the measurements of the warm-up.
func (r *recorder) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.collect()
	r.lag.Reset()
}

// collect empties the shards.
func (r *recorder) collect() (*hdrhistogram.Histogram, tally) {
	latency := newHistogram()
	var t tally
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		latency.Merge(s.latency)
		s.latency.Reset()
		r.lag.Merge(s.lag)
		s.lag.Reset()
		t.add(s.tally)
		s.tally = tally{}
		s.mu.Unlock()
	}
	return latency, t
}
