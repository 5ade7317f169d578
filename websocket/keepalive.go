package websocket

import (
	"context"
	"sync/atomic"

	"github.com/wskit/wskit/ws"
)

// liveness is what ReadIdleTimeout and KeepAlive ask of the reads. Silence counts while
// somebody reads: else nobody knows what the peer has sent.
type liveness struct {
	heard   atomic.Int64 // when the last bytes arrived
	waiting atomic.Int64 // since when a read has waited, 0 if none does
	pinged  atomic.Int64 // when the keepalive ping was written, 0 once it is answered
	life    atomic.Bool  // bytes have arrived since that was begun
}

// waits is called before each read of the transport.
func (c *Conn) waits() {
	if !c.timed {
		return
	}
	t := now()
	c.alive.waiting.Store(t)
	if d := c.opts.ReadIdleTimeout; d > 0 {
		c.setClockEarlier(clockIdle, t+int64(d))
	}
}

// heardOf is called after each read of the transport.
func (c *Conn) heardOf(n int) {
	if !c.timed {
		return
	}
	if n > 0 {
		c.alive.heard.Store(now())
		c.alive.life.Store(true)
	}
	c.alive.waiting.Store(0)
}

// silentSince returns since when a read has waited in vain.
func (c *Conn) silentSince() (t int64, ok bool) {
	t = c.alive.waiting.Load()
	return max(t, c.alive.heard.Load()), t != 0
}

// checkIdle acts on ReadIdleTimeout.
func (c *Conn) checkIdle(t int64) {
	since, ok := c.silentSince()
	if !ok {
		return
	}
	if end := since + int64(c.opts.ReadIdleTimeout); t < end {
		c.setClockEarlier(clockIdle, end)
		return
	}
	c.giveUp(errReadIdle)
}

func (c *Conn) startKeepAlive() {
	if c.opts.KeepAlive > 0 {
		t := now()
		c.alive.heard.Store(t)
		c.setClock(clockAlive, t+int64(c.opts.KeepAlive))
	}
}

// keepAlive sends a ping when one is due, and ends the connection if the peer has not
// shown life after it.
func (c *Conn) keepAlive(t int64) {
	if c.alive.life.Load() {
		c.alive.pinged.Store(0)
	}
	due := c.alive.heard.Load() + int64(c.opts.KeepAlive)
	switch {
	case c.alive.pinged.Load() != 0:
		c.awaitLife(t)
	case t < due:
		c.setClock(clockAlive, due)
	default:
		c.reply(context.Background(), ws.OpPing, nil) // pingWritten sets the clock
	}
}

// pingWritten is called when a keepalive ping was really written.
func (c *Conn) pingWritten() {
	t := now()
	c.alive.pinged.Store(t)
	c.setClock(clockAlive, t+int64(c.opts.keepAliveTimeout()))
}

// awaitLife looks for a sign of life since the ping.
func (c *Conn) awaitLife(t int64) {
	timeout := int64(c.opts.keepAliveTimeout())
	since, ok := c.silentSince()
	since = max(since, c.alive.pinged.Load())
	switch {
	case !ok:
		c.setClock(clockAlive, t+timeout)
	case t < since+timeout:
		c.setClock(clockAlive, since+timeout)
	default:
		c.giveUp(errKeepAlive)
	}
}
