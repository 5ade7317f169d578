package websocket

import (
	"context"
	"sync"

	"github.com/wskit/wskit/ws"
)

// liveness is what ReadIdleTimeout and KeepAlive ask of the reads. Silence is counted by the
// time for which reads have waited: while nobody reads, nobody knows what the peer has sent.
// Many short waits are as good as a long one.
type liveness struct {
	mu      sync.Mutex
	heard   int64 // when the last bytes arrived
	waiting int64 // since when a read has waited, 0 if none does
	waited  int64 // for how long reads had waited before, all in all
	silent  int64 // what that was when the last bytes arrived
	asked   int64 // what that was when the keepalive ping was written, or had to be left
	pinged  bool  // a keepalive ping waits for a sign of life
	left    bool  // it is not written yet: somebody else writes
	life    bool  // bytes have arrived since
}

// total returns for how long reads have waited at time t, all in all. mu is held.
func (a *liveness) total(t int64) int64 {
	if a.waiting == 0 {
		return a.waited
	}
	return a.waited + t - a.waiting
}

// waits is called before each read of the transport.
func (c *Conn) waits() {
	if !c.timed {
		return
	}
	a, t := c.alive, now()
	a.mu.Lock()
	a.waiting = t
	silent := a.waited - a.silent
	a.mu.Unlock()
	if d := c.opts.ReadIdleTimeout; d > 0 {
		c.setClockEarlier(clockIdle, t+int64(d)-silent)
	}
}

// heardOf is called after each read of the transport.
func (c *Conn) heardOf(n int) {
	if !c.timed {
		return
	}
	a, t := c.alive, now()
	a.mu.Lock()
	a.waited, a.waiting = a.total(t), 0
	if n > 0 {
		a.heard, a.silent, a.life = t, a.waited, true
	}
	a.mu.Unlock()
}

// checkIdle acts on ReadIdleTimeout.
func (c *Conn) checkIdle(t int64) {
	a := c.alive
	a.mu.Lock()
	reading, left := a.waiting != 0, int64(c.opts.ReadIdleTimeout)-(a.total(t)-a.silent)
	a.mu.Unlock()
	switch {
	case !reading: // the next read sets the clock
	case left > 0:
		c.setClockEarlier(clockIdle, t+left)
	default:
		c.giveUp(errReadIdle)
	}
}

func (c *Conn) startKeepAlive() {
	if c.opts.KeepAlive > 0 {
		c.alive.heard = now()
		c.setClock(clockAlive, c.alive.heard+int64(c.opts.KeepAlive))
	}
}

// keepAlive sends a ping when one is due, and ends the connection if the peer has not
// shown life after it.
func (c *Conn) keepAlive(t int64) {
	a := c.alive
	a.mu.Lock()
	if a.life {
		a.pinged = false
	}
	if a.pinged {
		patience := c.patience(a.left) - (a.total(t) - a.asked)
		a.mu.Unlock()
		c.awaitLife(t, patience)
		return
	}
	if due := a.heard + int64(c.opts.KeepAlive); t < due {
		a.mu.Unlock()
		c.setClock(clockAlive, due)
		return
	}
	left := a.left
	a.pinged, a.left, a.life, a.asked = true, true, false, a.total(t)
	a.mu.Unlock()
	c.setClock(clockAlive, t+c.patience(true))
	if !left {
		c.reply(context.Background(), ws.OpPing, nil) // pingWritten sets the clock
	}
}

// stuckWrite is how many times longer the peer may be silent while a keepalive ping waits
// behind a frame that it takes slowly, or not at all.
const stuckWrite = 10

// patience is how long the peer may stay silent after a keepalive ping, which is written or
// had to be left.
func (c *Conn) patience(left bool) int64 {
	if left {
		return stuckWrite * int64(c.opts.KeepAlive+c.opts.keepAliveTimeout())
	}
	return int64(c.opts.keepAliveTimeout())
}

// awaitLife waits for a sign of life for as long as patience lasts. The clock goes on while
// nobody reads, and patience does not.
func (c *Conn) awaitLife(t, patience int64) {
	if patience > 0 {
		c.setClock(clockAlive, t+patience)
		return
	}
	c.giveUp(errKeepAlive)
}

// pingBegins is called before a keepalive ping is written: what arrives from now on may
// be an answer.
func (c *Conn) pingBegins() {
	a := c.alive
	a.mu.Lock()
	a.pinged, a.life = true, false
	a.mu.Unlock()
}

// pingWritten is called when a keepalive ping was really written.
func (c *Conn) pingWritten() {
	a, t := c.alive, now()
	a.mu.Lock()
	a.left, a.asked = false, a.total(t)
	a.mu.Unlock()
	c.setClock(clockAlive, t+c.patience(false))
}
