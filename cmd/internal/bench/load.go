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

// config is what a load shall do.
type config struct {
	mode        mode
	connections int
	mix         mix
	script      []step        // what each connection goes through, in place of sending the mix
	hello       bool          // a load that only receives sends a message first
	pipeline    int           // the most messages in flight on a connection
	interval    time.Duration // between the messages of a connection; 0: as fast as it goes
	duration    time.Duration // 0: until count, or for ever
	count       int64         // messages in all; 0: no bound
	slice       time.Duration // of the timeline; 0: by the duration
	ramp        time.Duration // connections are opened over this time
	warmUp      time.Duration // at the beginning, which is not measured
	patience    time.Duration // for an answer
	atOnce      int           // handshakes at once
	verify      bool
	onLoop      bool // the connections share loops
	via         *connect.Opener
	dial        func(ctx context.Context, index int) (net.Conn, ws.Handshake, error)
}

// decodes reports whether messages are compressed and decompressed while the load runs.
// Otherwise those to send are compressed before, and nobody looks at the answers.
func (c *config) decodes() bool { return c.verify || c.mix.template != nil || c.script != nil }

// load is a run of the load generator.
type load struct {
	config
	recorder *recorder
	birth    time.Time // what times are counted from
	workers  []*worker
	tickets  atomic.Int64 // messages that may still be started, if there is a count
	made     atomic.Int64 // messages that a template has made

	line    sync.WaitGroup // until every connection was tried once
	start   chan struct{}  // closed when messages may be sent
	over    chan struct{}  // closed when no more messages are to be started
	end     sync.Once      // closes over
	isOver  atomic.Bool
	aborted atomic.Bool // by Ctrl-C: answers are not waited for
	overNow atomic.Int64

	opener opener
	open   atomic.Int64

	mu     sync.Mutex // guards what follows
	errors map[string]int64
	missed int64 // messages that got no answer
	unsent int64 // messages that were due, and had no room in flight
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

// run runs the load until its time or its count is over, or ctx ends, and all answers
// have come or are overdue. tell is called now and then with how far it has come.
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
	s.to = max(s.to, l.recorder.finish()) // what was answered after the end counts, and so does the time it took
	return s
}

// stop ends the load: no message is started any more.
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

// overAt is when the load was over, which it is.
func (l *load) overAt() time.Duration { return time.Duration(l.overNow.Load()) }

// now is the time since the load was made.
func (l *load) now() time.Duration { return time.Since(l.birth) }

// ticket reports whether one more message may be started, and ends the load otherwise.
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

// rampUp waits until it is the turn of the connection of this number. It returns false if the load ends meanwhile.
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

// failed counts an error of a connection, and the messages that got no answer by it.
func (l *load) failed(kind string, missed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errors[kind]++
	l.missed += int64(missed)
}

// errorCount is how many errors there were so far.
func (l *load) errorCount() (n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, count := range l.errors {
		n += count
	}
	return n
}

// progress is how far a load has come.
type progress struct {
	share    float64 // 0 to 1, or -1 if it has no end
	open     int
	received int64
	elapsed  time.Duration

	sent, errors int64
	point        Point // of the slice that has just ended
}

// watch cuts the time from began on into slices until the load is over.
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
			if now-l.recorder.begun > l.sliceTime()/2 { // a rest that is too short tells nothing
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

// sliceTime is the length of the slices of the timeline: some 60 of them, but none
// shorter than a tenth of a second nor longer than one.
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
