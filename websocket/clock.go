package websocket

import (
	"context"
	"sync"
	"time"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// clock is the only timer of a connection. It is created when it is first
// needed. The protocol knows what is due, except for the time limit of a write.
// Removing a time does not stop the timer, which then fires once without
// effect.
type clock struct {
	mu      sync.Mutex
	timer   *time.Timer
	armed   time.Duration // when the timer fires, or 0
	writeBy time.Duration // the time limit of the pending write, or 0
	stopped bool
}

// clockTime is a time on the clock of all connections.
type clockTime = time.Duration

// epoch is long ago, so that times are positive even with the clock of a
// synctest bubble.
var epoch = time.Now().Add(-100 * 365 * 24 * time.Hour)

func now() clockTime { return time.Since(epoch) }

// schedule calls f with clock.mu held, and then sets the timer to what is due.
func (c *Conn) schedule(f func(now clockTime)) {
	k := &c.clock
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return
	}
	t := now()
	f(t)
	c.arm(t)
}

// arm makes the timer fire when something is due, or earlier. clock.mu is held.
func (c *Conn) arm(t clockTime) {
	k := &c.clock
	at, ok := c.protocol.Deadline()
	if k.writeBy != 0 && (!ok || k.writeBy < at) {
		at, ok = k.writeBy, true
	}
	switch {
	case !ok, k.armed != 0 && k.armed <= at:
		return
	case k.timer == nil:
		k.timer = time.AfterFunc(at-t, c.tick)
	default:
		k.timer.Reset(at - t)
	}
	k.armed = max(at, 1)
}

// waits is called before a read of the transport, if the protocol is timed.
func (c *Conn) waits() {
	if c.protocol.Timed() {
		c.schedule(c.protocol.Waits)
	}
}

// heard is called after a read of n bytes.
func (c *Conn) heard(n int) {
	if c.protocol.Timed() {
		c.schedule(func(t clockTime) { c.protocol.Heard(t, n) })
	}
}

// limitClosing makes the connection close after at most d.
func (c *Conn) limitClosing(d time.Duration) {
	c.schedule(func(t clockTime) { c.protocol.CloseBy(t + d) })
}

// limitWrite makes the connection close if a write takes longer than d.
func (c *Conn) limitWrite(d time.Duration) {
	c.schedule(func(t clockTime) {
		if at := t + d; c.clock.writeBy == 0 || at < c.clock.writeBy {
			c.clock.writeBy = at
		}
	})
}

// wrote ends limitWrite.
func (c *Conn) wrote() {
	c.clock.mu.Lock()
	c.clock.writeBy = 0
	c.clock.mu.Unlock()
}

// stop stops the timer for good.
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
	defer c.guard()
	var due wsutil.Due
	late := false
	c.schedule(func(t clockTime) {
		c.clock.armed = 0
		if by := c.clock.writeBy; by != 0 && by <= t {
			late, c.clock.writeBy = true, 0
		}
		due = c.protocol.Tick(t)
	})
	switch {
	case due.Err == wsutil.ErrCloseTimeout:
		c.fail(c.lateness())
	case late:
		c.fail(errWriteTimeout)
	case due.Err != nil:
		c.giveUp(due.Err)
	case due.Ping:
		c.reply(context.Background(), ws.OpPing, nil)
	}
}

// lateness returns the error that explains why the connection should have ended
// by now.
func (c *Conn) lateness() error {
	if err := c.broken.Load(); err != nil {
		return err.err
	}
	if c.overflowed() {
		return nowClosed(ErrSendQueueFull)
	}
	return wsutil.ErrCloseTimeout
}
