package websocket

import (
	"sync"
	"time"
)

// clock is all that happens to a connection by the time alone: it has one timer, which
// exists only once it was needed. A time that is taken back leaves the timer as it
// is: it wakes up once for nothing.
type clock struct {
	mu      sync.Mutex
	timer   *time.Timer
	armed   int64 // when the timer fires, 0 if it does not
	due     [clockCount]int64
	stopped bool
}

// What a clock tells of.
const (
	clockWrite = iota // a write takes too long
	clockClose        // the closing takes too long
	clockIdle         // the peer is silent
	clockAlive        // a keepalive ping is due, or the answer to it
	clockCount
)

// epoch is long ago, so that times are positive also in a test that has a clock of its own.
var epoch = time.Now().Add(-100 * 365 * 24 * time.Hour)

// now returns the time in nanoseconds, which is never 0.
func now() int64 { return int64(time.Since(epoch)) | 1 }

// set has tick act on what at the given time, unless that is told before by another set.
func (c *Conn) setClock(what int, at int64) {
	k := &c.clock
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return
	}
	k.due[what] = at
	k.arm(c, at, now())
}

// earlier is setClock, unless what is due before already.
func (c *Conn) setClockEarlier(what int, at int64) {
	k := &c.clock
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped || k.due[what] != 0 && k.due[what] <= at {
		return
	}
	k.due[what] = at
	k.arm(c, at, now())
}

// arm has the timer fire at the given time, or before. mu is held.
func (k *clock) arm(c *Conn, at, now int64) {
	switch {
	case k.armed != 0 && k.armed <= at:
		return
	case k.timer == nil:
		k.timer = time.AfterFunc(time.Duration(at-now), c.tick)
	default:
		k.timer.Reset(time.Duration(at - now))
	}
	k.armed = at
}

// clear takes a time back.
func (k *clock) clear(what int) {
	k.mu.Lock()
	k.due[what] = 0
	k.mu.Unlock()
}

// stop ends the clock for ever.
func (k *clock) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	if k.timer != nil {
		k.timer.Stop()
	}
}

// tick is called by the timer.
func (c *Conn) tick() {
	t := now()
	late := c.clock.take(c, t)
	switch {
	case late[clockClose]:
		c.fail(failure{err: c.lateness()})
	case late[clockWrite]:
		c.fail(failure{err: errWriteTimeout})
	case late[clockIdle]:
		c.checkIdle(t)
	}
	if late[clockAlive] {
		c.keepAlive(t)
	}
}

// lateness is why a connection ends that should have ended by now.
func (c *Conn) lateness() error {
	if err := c.broken.Load(); err != nil {
		return err.err
	}
	return errCloseTimeout
}

// take returns what is due, takes that back and arms the timer for what is not.
func (k *clock) take(c *Conn, t int64) (late [clockCount]bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.armed = 0
	for what, at := range k.due {
		switch {
		case at == 0 || k.stopped:
		case at <= t:
			late[what] = true
			k.due[what] = 0
		default:
			k.arm(c, at, t)
		}
	}
	return late
}
