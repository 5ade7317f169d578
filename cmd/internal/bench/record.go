package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The latencies that are told apart: from 100 ns to 10 min, to three digits. Longer ones
// count as the longest.
const (
	shortest = 100 * time.Nanosecond
	longest  = 10 * time.Minute
	digits   = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(shortest), int64(longest), digits)
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	h.RecordValue(int64(min(max(d, 0), longest))) // in range: it cannot fail
}

// tally counts messages and their bytes on the wire.
type tally struct {
	sent, received           int64
	bytesSent, bytesReceived int64
	unsolicited              int64 // messages that answer none
	wrong                    int64 // answers with other content than was sent
	scripts                  int64 // that came to their end
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

// shard records for some of the workers; there are several so that they do not wait
// for each other.
type shard struct {
	mu      sync.Mutex
	latency *hdrhistogram.Histogram
	lag     *hdrhistogram.Histogram // how late we were ourselves, when a rate is set
	tally   tally
	last    time.Duration // when the last answer came

	_ [64]byte // keeps neighbours off the cache line
}

// recorder gathers what the workers measure, a slice of time after the other.
type recorder struct {
	shards []shard

	mu       sync.Mutex // guards what follows
	total    tally
	latency  *hdrhistogram.Histogram
	lag      *hdrhistogram.Histogram
	timeline []Point
	begun    time.Duration // of the open slice
}

func newRecorder(shards int) *recorder {
	r := &recorder{shards: make([]shard, shards), latency: newHistogram(), lag: newHistogram()}
	for i := range r.shards {
		r.shards[i].latency, r.shards[i].lag = newHistogram(), newHistogram()
	}
	return r
}

// slice ends a slice of time at now: it moves what the shards have into the totals, and
// adds a point to the timeline. It returns the totals and the point.
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

// finish adds what came after the last slice, which is no slice of its own. It returns
// when the last answer came.
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

// forget forgets what was measured so far: the warm-up is over.
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
