package hub

import (
	"cmp"
	"context"
	"hash/maphash"
	"math/rand/v2"
	"sort"
	"sync"
	"time"

	"github.com/wskit/wskit/hub/internal/table"
	"github.com/wskit/wskit/wsutil"
)

// Defaults of [History].
const (
	DefaultHistoryBytes = 1 << 20
	DefaultHistoryAge   = 10 * time.Minute
)

// History configures how many publications of a topic a broker keeps. The zero
// value means no history. In Bytes and Age, 0 means the default and a negative
// value means no limit.
type History struct {
	// Messages is the maximum number of publications. 0 and negative values
	// mean that nothing is kept, and that publications have no position.
	Messages int

	// Bytes is their maximum total size: payload, key, ID, and 128 bytes for
	// each publication. 0 means DefaultHistoryBytes, 1 MiB. The newest
	// publication is always kept.
	Bytes int

	// Age is how long a publication is kept. 0 means DefaultHistoryAge, 10
	// minutes.
	Age time.Duration
}

// Memory is the [Broker] of a program with one copy. It calls the hub
// synchronously. Its history is lost when the program ends. A Memory serves one
// hub.
type Memory struct {
	history func(topic string) History
	handler Handler
	epoch   uint64
	seed    maphash.Seed
	shards  [shards]memoryShard
}

// memoryShard is a part of the topics with history. Its topics share one
// counter of offsets, so that a topic can be forgotten without keeping its
// epoch.
type memoryShard struct {
	mu     sync.Mutex // guards the fields below; not held while waiting for the lock of a ring
	rings  table.Map[*ring]
	offset uint64 // the last one
	gone   uint64 // the highest offset that a forgotten ring has had
}

// ring is the history of a topic.
type ring struct {
	mu      sync.Mutex
	entries []entry           // the oldest first
	ids     map[string]uint64 // the offsets of entries with an ID
	bytes   int
	gone    uint64 // publications up to and including this offset are gone
	last    uint64 // the newest offset
	dead    bool   // it was forgotten
}

type entry struct {
	Publication
	since time.Time
}

// size returns what e counts toward the limit of bytes.
func (e *entry) size() int { return 128 + len(e.Payload) + len(e.Key) + len(e.ID) }

// NewMemory returns the broker of a program with one copy. history returns the
// History of a topic. It is called for each publication, and must always return
// the same value for the same topic. nil means no history.
func NewMemory(history func(topic string) History) *Memory {
	if history == nil {
		history = func(string) History { return History{} }
	}
	return &Memory{history: history, epoch: rand.Uint64() | 1, seed: maphash.MakeSeed()}
}

func (b *Memory) serve(h Handler) { b.handler = h }

func (b *Memory) shard(topic string) *memoryShard {
	return &b.shards[maphash.String(b.seed, topic)%shards]
}

// Publish implements [Broker].
func (b *Memory) Publish(_ context.Context, topic string, p Publication) (Position, error) {
	if p.prepared == nil && p.Kind == Data {
		m, err := wsutil.NewPreparedMessage(p.Op, p.Payload)
		if err != nil {
			return Position{}, err
		}
		p.prepared, p.Payload = m, m.Payload() // a copy
	}
	limits := b.history(topic)
	if limits.Messages <= 0 || p.Kind != Data {
		p.Position = Position{}
		b.handler.Publication(topic, p)
		return Position{}, nil
	}
	r, offset := b.open(topic)
	defer r.mu.Unlock()
	r.trim(limits, time.Now())
	if offset, ok := r.ids[p.ID]; ok {
		return Position{b.epoch, offset}, nil
	}
	p.Position = Position{b.epoch, offset}
	r.add(entry{p, time.Now()})
	r.trim(limits, time.Now())
	b.handler.Publication(topic, p)
	return p.Position, nil
}

// open returns the ring of a topic, locked, and the next offset.
func (b *Memory) open(topic string) (*ring, uint64) {
	sh := b.shard(topic)
	for {
		sh.mu.Lock()
		r := sh.rings.Entries[topic]
		if r == nil {
			r = &ring{gone: sh.gone, last: sh.offset}
			sh.rings.Set(topic, r)
		}
		sh.mu.Unlock()
		r.mu.Lock() // a publication to the topic may be in progress
		if !r.dead {
			return r, sh.next()
		}
		r.mu.Unlock()
	}
}

func (sh *memoryShard) next() uint64 {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.offset++
	return sh.offset
}

func (r *ring) add(e entry) {
	r.entries = append(r.entries, e)
	r.bytes += e.size()
	r.last = e.Position.Offset
	if e.ID != "" {
		if r.ids == nil {
			r.ids = make(map[string]uint64)
		}
		r.ids[e.ID] = e.Position.Offset
	}
}

// trim removes publications above the limits.
func (r *ring) trim(limits History, now time.Time) {
	most, age := cmp.Or(limits.Bytes, DefaultHistoryBytes), cmp.Or(limits.Age, DefaultHistoryAge)
	n := 0
	for ; n < len(r.entries); n++ {
		e, left := &r.entries[n], len(r.entries)-n
		old := age > 0 && now.Sub(e.since) >= age
		if !old && left <= limits.Messages && (most < 0 || r.bytes <= most || left == 1) {
			break
		}
		r.bytes -= e.size()
		r.gone = e.Position.Offset
		if e.ID != "" {
			delete(r.ids, e.ID)
		}
		*e = entry{}
	}
	if r.entries = r.entries[n:]; len(r.entries) == 0 {
		r.entries, r.ids = nil, nil
	}
}

// Subscribe implements [Broker]. The hub gets all publications anyway.
func (b *Memory) Subscribe(context.Context, string) error { return nil }

// Unsubscribe implements [Broker].
func (b *Memory) Unsubscribe(string) {}

// History implements [Broker].
func (b *Memory) History(_ context.Context, topic string, since Position, limit int) ([]Publication, Position, error) {
	limits := b.history(topic)
	if limits.Messages <= 0 {
		return nil, Position{}, ErrNoHistory
	}
	sh := b.shard(topic)
	sh.mu.Lock()
	top, gone := Position{b.epoch, sh.offset}, sh.gone
	r := sh.rings.Entries[topic]
	sh.mu.Unlock()
	var pubs []Publication
	if r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.trim(limits, time.Now())
		top.Offset, gone = r.last, r.gone
	}
	if !since.IsZero() && (since.Epoch != b.epoch || since.Offset > top.Offset || since.Offset < gone) {
		return nil, top, ErrCannotRecover
	}
	if r != nil {
		pubs = r.after(since.Offset, limit)
	}
	return pubs, top, nil
}

// after returns up to limit publications after an offset.
func (r *ring) after(offset uint64, limit int) (pubs []Publication) {
	from := sort.Search(len(r.entries), func(i int) bool { return r.entries[i].Position.Offset > offset })
	for _, e := range r.entries[from:] {
		if len(pubs) == limit {
			break
		}
		pubs = append(pubs, e.Publication)
	}
	return pubs
}

// sweepEvery is how often Run removes old history.
const sweepEvery = 10 * time.Second

// Run implements [Broker]. It removes old history. It must be called only by
// the hub that was created with b.
func (b *Memory) Run(ctx context.Context, _ Handler) error {
	due := time.NewTicker(sweepEvery)
	defer due.Stop()
	for {
		select {
		case <-due.C:
			for i := range b.shards {
				b.sweep(&b.shards[i], time.Now())
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// sweep trims all topics of a shard, and forgets those that are empty.
func (b *Memory) sweep(sh *memoryShard, now time.Time) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for topic, r := range sh.rings.Entries {
		if !r.mu.TryLock() { // in use: try again next time
			continue
		}
		if r.trim(b.history(topic), now); len(r.entries) == 0 {
			r.dead = true
			sh.gone = max(sh.gone, r.last)
			sh.rings.Delete(topic)
		}
		r.mu.Unlock()
	}
}
