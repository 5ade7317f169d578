package bench

import (
	"container/heap"
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsloop"
	"github.com/wskit/wskit/wsutil"
)

// loops is how a load runs with --loop: its connections share a few goroutines, and each
// takes some hundred bytes in place of a stack and buffers.
type loops struct {
	*load
	ctx      context.Context // of the load
	server   *wsloop.Server
	started  atomic.Bool    // load.start is closed
	left     sync.WaitGroup // workers that are not done
	schedule schedule       // of the messages that --rate makes due
}

// looped is a worker on a loop. Its mutex guards the worker.
type looped struct {
	*worker
	loops     *loops
	at        *wsloop.Conn // nil without a connection
	err       error        // why the connection was abandoned
	begun     bool         // its first messages are sent
	scheduled bool         // it is in the schedule
}

// runOnLoops is what the workers do in goroutine mode, all together.
func (l *load) runOnLoops(ctx context.Context) {
	ls := &loops{load: l, ctx: ctx}
	var err error
	ls.server, err = wsloop.New(&wsloop.Config{
		MaxMessage: -1, MaxFragments: -1, CloseTimeout: time.Second, WriteTimeout: l.patience,
		Queue: wsutil.SendQueueOptions{MaxBytes: -1, MaxMessages: -1}, // the pipeline is the bound
	}, &wsloop.Handler{Open: ls.opened, Message: ls.message, Close: ls.closed})
	if err != nil {
		l.failed("handshake: "+err.Error(), 0)
		l.line.Add(-len(l.workers))
		return
	}
	all := make([]*looped, len(l.workers))
	for i, w := range l.workers {
		all[i] = &looped{worker: w, loops: ls}
	}
	ls.left.Add(len(all))
	done := make(chan struct{})
	go ls.openAll(all)
	go ls.watch(all, done)
	ls.left.Wait()
	close(done)
	ls.server.Shutdown(context.WithoutCancel(ctx))
	for _, w := range all {
		w.countUnsent()
	}
}

// openAll opens the connections, so many at once.
func (ls *loops) openAll(all []*looped) {
	queue := make(chan *looped)
	for range min(ls.atOnce, len(all)) {
		go func() {
			for w := range queue {
				w.open(sync.OnceFunc(ls.line.Done))
			}
		}()
	}
	for _, w := range all {
		if ls.rampUp(w.index) {
			queue <- w
			continue
		}
		ls.line.Done()
		ls.left.Done()
	}
	close(queue)
}

// open opens the connection, or ends the worker.
func (w *looped) open(leaveLine func()) {
	defer leaveLine()
	conn, hs, ok := w.reach(w.loops.ctx, leaveLine)
	if !ok {
		w.loops.left.Done()
		return
	}
	// An error means that conn is closed. On no error Close of the handler follows.
	if _, err := w.loops.server.Attach(conn, nil, hs, ws.StateClientSide, &wsloop.Options{Value: w}); err != nil {
		w.load.open.Add(-1)
		w.load.failed("handshake: "+err.Error(), 0)
		w.loops.left.Done()
	}
}

func (ls *loops) opened(c *wsloop.Conn) {
	w := wsloop.ValueOf[*looped](c)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at, w.err, w.begun = c, nil, false
	w.oldest, w.inFlight, w.matching = 0, 0, 0
	if ls.started.Load() {
		w.begin()
	}
	w.endIfOver()
}

// begin sends the first messages. mu is held.
func (w *looped) begin() {
	if w.begun {
		return
	}
	w.begun = true
	if w.load.hello {
		w.at.Send(ws.OpText, w.message(0).payload)
	}
	w.sendDue(w.load.now())
}

// sendDue sends what may be sent now, and notes when there is more. mu is held.
func (w *looped) sendDue(now time.Duration) {
	for w.at != nil && w.inFlight < len(w.flights) {
		since, ok := w.mayStart(now)
		if !ok {
			break
		}
		slot := (w.oldest + w.inFlight) % len(w.flights)
		m := w.message(slot)
		w.flights[slot] = flight{since: since, sent: m, count: 1}
		w.inFlight++
		w.sendMessage(m)
	}
	if w.load.interval > 0 && w.inFlight < len(w.flights) && !w.scheduled && w.load.running() {
		w.scheduled = true
		w.loops.schedule.add(w.due, w)
	}
}

// sendMessage sends m. If that fails, Close of the handler says why. mu is held.
func (w *looped) sendMessage(m *message) {
	w.at.Send(w.load.mix.op, m.payload)
	w.count(tally{sent: 1, bytesSent: frameSize(len(m.payload), true)})
}

func frameSize(n int, masked bool) int64 {
	return int64(ws.HeaderSize(ws.Header{Length: int64(n), Masked: masked}) + n)
}

func (ls *loops) message(c *wsloop.Conn, op ws.OpCode, p []byte) {
	w := wsloop.ValueOf[*looped](c)
	now := ls.now()
	t := tally{bytesReceived: frameSize(len(p), false)}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shard.mu.Lock()
	if ls.verify {
		w.compare(op, p, true)
	}
	w.came(now, &t)
	w.shard.tally.add(t)
	if t.received > 0 {
		w.shard.last = now
	}
	w.shard.mu.Unlock()
	if ls.started.Load() {
		w.sendDue(now)
	}
	w.endIfOver()
}

// endIfOver closes the connection if the load is over and no answer is waited for. mu is
// held.
func (w *looped) endIfOver() {
	if w.at != nil && !w.load.running() && (w.inFlight == 0 || w.load.interrupted()) {
		w.at.Close(ws.StatusNormalClosure, "")
	}
}

func (ls *loops) closed(c *wsloop.Conn, end wsloop.End) {
	w := wsloop.ValueOf[*looped](c)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = nil
	ls.open.Add(-1)
	if well := !ls.running() && (w.inFlight == 0 || ls.interrupted()); !well {
		ls.failed(w.kind(end), w.unanswered())
		w.inFlight = 0
	}
	if !ls.running() {
		ls.left.Done()
		return
	}
	go w.open(func() {}) // the end of the load ends it
}

// kind names the cause of the end of a connection, as worker.kind does.
func (w *looped) kind(end wsloop.End) string {
	err := end.Err
	switch {
	case w.err != nil:
		err = w.err
	case end.Code != ws.StatusAbnormalClosure && end.PeerFirst:
		return fmt.Sprintf("closed with %d", end.Code)
	case err == nil:
		err = net.ErrClosed
	}
	return w.worker.kind(err)
}

// watch starts the load, sends what --rate makes due, abandons connections
// whose answers are overdue, and ends the load.
func (ls *loops) watch(all []*looped, done <-chan struct{}) {
	every := 100 * time.Millisecond
	if ls.interval > 0 {
		every = time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	start, over := ls.start, ls.over
	looked := ls.now()
	for {
		select {
		case <-start:
			start = nil
			ls.started.Store(true)
			ls.each(all, (*looped).begin)
		case <-over:
			over = nil
			ls.each(all, (*looped).endIfOver)
		case <-tick.C:
			ls.schedule.run(ls.now())
			if now := ls.now(); now-looked >= 100*time.Millisecond {
				looked = now
				ls.each(all, (*looped).lookOverdue)
			}
		case <-done:
			return
		}
	}
}

// each calls f for all that have a connection.
func (ls *loops) each(all []*looped, f func(*looped)) {
	for _, w := range all {
		w.mu.Lock()
		if w.at != nil {
			f(w)
		}
		w.mu.Unlock()
	}
}

// lookOverdue abandons a connection whose answer is overdue. mu is held.
func (w *looped) lookOverdue() {
	if w.inFlight > 0 && w.load.now() >= w.flights[w.oldest].since+w.load.patience {
		w.err = errNoAnswer
		w.at.CloseNow()
		return
	}
	w.endIfOver()
}

// schedule is when the next messages of workers are due: a heap.
type schedule struct {
	mu  sync.Mutex
	due dueHeap
}

type dueWorker struct {
	at time.Duration
	w  *looped
}

func (s *schedule) add(at time.Duration, w *looped) {
	s.mu.Lock()
	defer s.mu.Unlock()
	heap.Push(&s.due, dueWorker{at, w})
}

// next takes out the next worker that is due.
func (s *schedule) next(now time.Duration) *looped {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.due) == 0 || s.due[0].at > now {
		return nil
	}
	return heap.Pop(&s.due).(dueWorker).w
}

// run lets all send that are due.
func (s *schedule) run(now time.Duration) {
	for w := s.next(now); w != nil; w = s.next(now) {
		w.mu.Lock()
		w.scheduled = false
		if w.at != nil {
			w.sendDue(now)
		}
		w.mu.Unlock()
	}
}

type dueHeap []dueWorker

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(dueWorker)) }
func (h *dueHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// checkLoop looks at what does not go with --loop.
func (o *options) checkLoop() error {
	for name, given := range map[string]bool{
		"--script": o.script != "", "--send-only": o.sendOnly, "--compress": o.compress, "--http2 and --http3": o.Streams(),
	} {
		if o.onLoop && given {
			return exit.Usagef("--loop does not go with %s, which takes a goroutine for each connection", name)
		}
	}
	return nil
}
