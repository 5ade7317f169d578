package wsloop

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/ws"
)

// loop is one goroutine that runs many connections. See docs/design/loop.md.
type loop struct {
	s      *Server
	poller poller

	// Of the loop's goroutine.
	slots      []*Conn
	free       []uint32 // slots without a connection
	generation uint32
	events     []event
	pending    []event // events of this iteration that are not handled yet
	listed     []*Conn // connections of this iteration that are not served yet
	buf        []byte  // received data
	plain      []byte  // decrypted data
	rest       []byte  // the part of the input that the handler has not seen, for use after a panic
	now        time.Duration
	swept      time.Duration // when the last sweep began
	cursor     int           // the next slot of the sweep
	sweeping   bool
	acceptors  []*acceptor
	spare      []*Conn // memory for list
	tally      tally
	ending     bool // quit was seen
	req        ws.Request

	// Shared.
	mu     sync.Mutex
	list   []*Conn       // connections with requests
	tasks  []func(*loop) // run on the loop
	asleep bool
	quit   bool

	conns atomic.Int64 // assigned connections, including those that begin has not seen yet
	counters
}

const (
	maxEvents  = 256 // in an iteration
	sweepEvery = 500 * time.Millisecond
	maxSweep   = 4096 // connections that a sweep visits in an iteration
)

func newLoop(s *Server) (*loop, error) {
	l := &loop{s: s, buf: make([]byte, s.cfg.receiveBuffer()), events: make([]event, maxEvents)}
	var err error
	if s.cfg.Goroutines {
		l.poller = newChannelPoller()
	} else if l.poller, err = newPoller(); err != nil {
		return nil, err
	}
	return l, nil
}

// enter adds c to the connections with requests, and wakes the loop.
func (l *loop) enter(c *Conn) {
	l.mu.Lock()
	l.list = append(l.list, c)
	l.rouse()
	l.mu.Unlock()
}

// rouse wakes the loop if it is asleep. mu is held, so that the loop cannot end
// and close the descriptors of the poller while wake uses them.
func (l *loop) rouse() {
	if l.asleep {
		l.asleep = false
		l.poller.wake()
	}
}

// do runs f on the loop. It reports false if the loop has ended.
func (l *loop) do(f func(*loop)) bool {
	l.mu.Lock()
	if l.quit {
		l.mu.Unlock()
		return false
	}
	l.tasks = append(l.tasks, f)
	l.rouse()
	l.mu.Unlock()
	return true
}

// run is the goroutine of the loop. If a handler ends the goroutine, another
// one continues with the next connection.
func (l *loop) run() {
	ended := false
	defer func() {
		if !ended {
			go l.run()
			return
		}
		l.poller.close()
		l.s.loopEnded()
	}()
	for !l.turn() {
	}
	ended = true
}

// turn is one iteration of the loop. It reports whether the loop is over.
func (l *loop) turn() (over bool) {
	if len(l.pending) == 0 && len(l.listed) == 0 {
		n, err := l.poller.wait(l.events, l.timeout())
		if err != nil {
			l.s.fail(err)
		}
		l.pending = l.events[:n]
		l.now = l.s.now()
	}
	for len(l.pending) > 0 {
		ev := l.pending[0]
		l.pending = l.pending[1:]
		l.handle(ev)
	}
	quit := l.runListed()
	l.sweep()
	for _, a := range l.acceptors {
		a.resume(l)
	}
	l.publish()
	return quit && l.endAll()
}

// timeout returns how long the loop may wait for events. If that is not 0, it
// marks the loop as asleep.
func (l *loop) timeout() time.Duration {
	d := time.Duration(-1)
	if l.conns.Load() > 0 || l.sweeping {
		d = max(l.swept+sweepEvery-l.now, 0)
		if l.sweeping {
			d = 0
		}
	}
	for _, a := range l.acceptors {
		if a.paused() && (d < 0 || a.resumeAt-l.now < d) {
			d = max(a.resumeAt-l.now, 0)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) > 0 || len(l.tasks) > 0 || l.quit && !l.ending {
		return 0
	}
	l.asleep = d != 0
	return d
}

// handle handles an event.
func (l *loop) handle(ev event) {
	if ev.id.slot == listenerSlot {
		if i := int(ev.id.generation); i < len(l.acceptors) {
			l.acceptors[i].accept(l)
		}
		return
	}
	c := l.lookup(ev.id)
	if c == nil {
		return // the connection is gone
	}
	if ev.out {
		l.settle(c)
	}
	if ev.in && c.phase != phaseDead && c.reads { // unless settle has stopped reading
		l.readable(c)
	}
}

func (l *loop) lookup(id identity) *Conn {
	if int64(id.slot) >= int64(len(l.slots)) {
		return nil
	}
	if c := l.slots[id.slot]; c != nil && c.id == id {
		return c
	}
	return nil
}

// readable receives once and passes the data to the connection.
func (l *loop) readable(c *Conn) {
	c.settles.Store(true)
	l.guard(c, (*Conn).receive)
	l.settle(c)
}

// runListed serves the connections with requests, and runs tasks. Requests that
// are added meanwhile belong to the next iteration. It reports whether the loop
// must end.
func (l *loop) runListed() (quit bool) {
	l.mu.Lock()
	l.asleep = false
	if len(l.listed) == 0 {
		l.listed, l.list = l.list, l.spare[:0]
		l.spare = l.listed
	}
	tasks := l.tasks
	l.tasks = nil
	quit = l.quit
	l.mu.Unlock()
	for _, f := range tasks {
		f(l)
	}
	for len(l.listed) > 0 {
		c := l.listed[0]
		l.listed[0] = nil
		l.listed = l.listed[1:]
		l.serve(c)
	}
	return quit
}

// serve handles the requests of a connection.
func (l *loop) serve(c *Conn) {
	c.mu.Lock()
	asked := c.asks
	c.asks = 0
	c.settles.Store(true)
	c.mu.Unlock()
	if asked&askOpen != 0 {
		l.guard(c, (*Conn).begin)
	}
	if c.phase >= phaseOver {
		l.finish(c) // if it had to wait for Go
	}
	if c.phase == phaseDead {
		l.leave(c)
		return
	}
	if asked&askAbort != 0 {
		c.fail(errAborted)
		l.release(c)
		return
	}
	if asked&askSecured != 0 {
		l.guard(c, (*Conn).secured)
	}
	if asked&askClose != 0 {
		c.closes()
	}
	if asked&askRead != 0 {
		l.guard(c, (*Conn).receive)
	}
	if asked&askResume != 0 {
		l.guard(c, (*Conn).resume)
	}
	l.settle(c)
}

// guard calls f, which calls the handler. A panic ends only the connection.
func (l *loop) guard(c *Conn, f func(*Conn)) {
	returned := false
	defer func() {
		if !returned {
			c.panicked(recover())
			l.afterPanic(c)
			c.askFor(0) // the loop continues with c if this goroutine ends
		}
	}()
	f(c)
	returned = true
}

// afterPanic continues with the input that the handler has not seen.
func (l *loop) afterPanic(c *Conn) {
	rest := l.rest
	l.rest = nil
	if c.phase < phaseOpen {
		l.release(c)
		return
	}
	c.closes()
	if c.phase == phaseOpen {
		c.feed(rest) // drops messages, so that it calls no handler
		c.resume()   // handles the end of the input, if the panic has interrupted resume
	}
}

// panicked ends the connection after the handler panicked with v, or ended its
// goroutine.
func (c *Conn) panicked(v any) {
	err := &PanicError{Value: v, Stack: debug.Stack()}
	c.endFor(err)
	if f := c.loop.s.cfg.Panicked; f != nil {
		defer func() { recover() }() // a panic of Panicked is dropped
		f(c, err)
	}
}
