package bench

import (
	"context"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/cmd/internal/connect"
	"github.com/wskit/wskit/ws"
)

// config configures a load.
type config struct {
	mode        mode
	connections int
	mix         mix
	script      []step        // the steps of each connection, instead of sending the mix
	hello       bool          // with receiveOnly: send a message first
	pipeline    int           // maximum number of messages in flight on a connection
	interval    time.Duration // between the messages of a connection; 0: as fast as possible
	duration    time.Duration // 0: until count, or without end
	count       int64         // total number of messages; 0: no limit
	slice       time.Duration // of the timeline; 0: depends on the duration
	ramp        time.Duration // the time over which connections are opened
	warmUp      time.Duration // time at the beginning that is not measured
	patience    time.Duration // how long to wait for an answer
	atOnce      int           // concurrent handshakes
	verify      bool
	onLoop      bool // the connections share loops
	via         *connect.Opener
	dial        func(ctx context.Context, index int) (net.Conn, ws.Handshake, error)
}

// decodes reports whether messages are compressed and decompressed during the
// load. Otherwise messages are compressed before it, and answers are not
// decompressed.
func (c *config) decodes() bool { return c.verify || c.mix.template != nil || c.script != nil }

// load is a run of the load generator.
type load struct {
	config
	recorder *recorder
	birth    time.Time // the zero of all times
	workers  []*worker
	tickets  atomic.Int64 // messages that may still be started, if there is a count
	made     atomic.Int64 // messages that a template has made

	line    sync.WaitGroup // done when every connection was tried once
	start   chan struct{}  // closed when messages may be sent
	over    chan struct{}  // closed when no more messages may be started
	end     sync.Once      // closes over
	isOver  atomic.Bool
	aborted atomic.Bool // by Ctrl-C: do not wait for answers
	overNow atomic.Int64

	opener opener
	open   atomic.Int64

	mu     sync.Mutex // guards the fields below
	errors map[string]int64
	missed int64 // messages without an answer
	unsent int64 // messages that were due but not sent
}

func newLoad(c config) *load {
	l := &load{
		config:   c,
		recorder: newRecorder(min(c.connections, 4*runtime.GOMAXPROCS(0))),
		start:    make(chan struct{}),
		over:     make(chan struct{}),
		errors:   make(map[string]int64),
		birth:    time.Now(),
	}
	l.opener.init(c.atOnce)
	l.tickets.Store(c.count)
	for i := range c.connections {
		l.workers = append(l.workers, newWorker(l, i))
	}
	return l
}

// span is the time that was measured.
type span struct{ from, to time.Duration }

// run runs the load until its time or its count is over, or ctx ends, and until
// all answers have arrived or are overdue. It calls tell regularly with the
// progress.
func (l *load) run(ctx context.Context, tell func(progress)) span {
	defer context.AfterFunc(ctx, func() { l.aborted.Store(true); l.stop() })()
	var workers sync.WaitGroup
	l.line.Add(len(l.workers))
	began := l.now()
	if l.ramp > 0 {
		close(l.start)
	}
	if l.onLoop {
		workers.Go(func() { l.runOnLoops(ctx) })
	}
	for _, w := range l.workers {
		if !l.onLoop {
			workers.Go(func() { w.run(ctx) })
		}
	}
	if l.ramp == 0 {
		l.line.Wait()
		began = l.now()
		close(l.start)
	}
	done := make(chan struct{})
	go func() {
		workers.Wait()
		l.stop()
		close(done)
	}()
	s := l.watch(began, tell)
	<-done
	s.to = max(s.to, l.recorder.finish()) // answers after the end count, and so does their time
	return s
}

// stop ends the load: no more messages are started.
func (l *load) stop() {
	l.end.Do(func() {
		l.overNow.Store(int64(l.now()))
		l.isOver.Store(true)
		close(l.over)
		for _, w := range l.workers {
			if c := w.live.Load(); c != nil {
				(*c).SetReadDeadline(past)
				if l.interrupted() {
					(*c).SetWriteDeadline(past)
				}
			}
		}
	})
}

func (l *load) running() bool     { return !l.isOver.Load() }
func (l *load) interrupted() bool { return l.aborted.Load() }

// overAt returns when the load ended.
func (l *load) overAt() time.Duration { return time.Duration(l.overNow.Load()) }

// now returns the time since the load was made.
func (l *load) now() time.Duration { return time.Since(l.birth) }

// ticket reports whether one more message may be started. If not, it ends the
// load.
func (l *load) ticket() bool {
	if l.count == 0 {
		return true
	}
	left := l.tickets.Add(-1)
	if left <= 0 {
		go l.stop()
	}
	return left >= 0
}

// rampUp waits until the connection with this number may be opened. It returns
// false if the load ends first.
func (l *load) rampUp(index int) bool {
	wait := l.ramp * time.Duration(index) / time.Duration(len(l.workers))
	if wait == 0 {
		return true
	}
	select {
	case <-l.over:
		return false
	case <-time.After(wait - l.now()):
		return true
	}
}

// failed counts an error of a connection, and the messages that get no answer
// because of it.
func (l *load) failed(kind string, missed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errors[kind]++
	l.missed += int64(missed)
}

// errorCount returns the number of errors so far.
func (l *load) errorCount() (n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, count := range l.errors {
		n += count
	}
	return n
}

// progress is the progress of a load.
type progress struct {
	share    float64 // 0 to 1, or -1 if it has no end
	open     int
	received int64
	elapsed  time.Duration

	sent, errors int64
	point        Point // of the slice that has just ended
}

// watch cuts the time from began into slices until the load is over.
func (l *load) watch(began time.Duration, tell func(progress)) span {
	l.recorder.begin(began)
	if l.duration > 0 {
		defer time.AfterFunc(l.warmUp+l.duration, l.stop).Stop()
	}
	if l.warmUp > 0 {
		select {
		case <-l.over:
		case <-time.After(l.warmUp):
			l.recorder.forget()
			began = l.now()
			l.recorder.begin(began)
		}
	}
	tick := time.NewTicker(l.sliceTime())
	defer tick.Stop()
	for {
		select {
		case <-l.over:
			now := l.now()
			if now-l.recorder.begun > l.sliceTime()/2 { // a very short rest is not meaningful
				l.recorder.slice(now, int(l.open.Load()))
			}
			return span{began, now}
		case <-tick.C:
			now := l.now()
			t, point := l.recorder.slice(now, int(l.open.Load()))
			p := l.progress(now-began, t.received)
			p.sent, p.errors, p.point = t.sent, l.errorCount(), point
			tell(p)
		}
	}
}

// sliceTime returns the length of the slices of the timeline: about 60 slices,
// but each between 0.1 and 1 second.
func (l *load) sliceTime() time.Duration {
	if l.slice > 0 {
		return l.slice
	}
	if l.duration == 0 {
		return 250 * time.Millisecond
	}
	return min(max(l.duration/60, 100*time.Millisecond), time.Second)
}

func (l *load) progress(elapsed time.Duration, received int64) progress {
	p := progress{share: -1, open: int(l.open.Load()), received: received, elapsed: elapsed}
	switch {
	case l.duration > 0:
		p.share = min(1, elapsed.Seconds()/l.duration.Seconds())
	case l.count > 0:
		p.share = min(1, float64(received)/float64(l.count))
	}
	return p
}
