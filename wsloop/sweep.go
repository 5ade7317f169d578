package wsloop

import (
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// sweep checks the timeouts of all connections twice a second. It visits at
// most maxSweep connections in an iteration.
func (l *loop) sweep() {
	if !l.sweeping {
		if l.now-l.swept < sweepEvery || len(l.slots) == 0 {
			return
		}
		l.swept, l.sweeping, l.cursor = l.now, true, 0
		l.tally.waiting, l.tally.behind = 0, 0
	}
	end := min(l.cursor+maxSweep, len(l.slots))
	for ; l.cursor < end; l.cursor++ {
		if c := l.slots[l.cursor]; c != nil {
			l.visit(c)
		}
	}
	if l.sweeping = l.cursor < len(l.slots); !l.sweeping {
		l.waiting.Store(l.tally.waiting)
		l.behind.Store(l.tally.behind)
	}
}

// visit handles the timeouts of a connection that are due.
func (l *loop) visit(c *Conn) {
	if c.phase != phaseOpen {
		if c.until <= l.now {
			l.release(c)
		}
		return
	}
	if l.stalled(c) {
		l.release(c)
		return
	}
	if c.until != 0 && c.until <= l.now {
		c.until = 0
		l.expire(c)
	}
	due := c.protocol.Tick(l.now)
	switch {
	case due.Err != nil:
		l.timedOut(c, due.Err)
	case due.Ping || c.flags&flagPing != 0:
		l.keepAlive(c)
	case c.flags&flagClosing == 0:
		return
	}
	l.settle(c)
}

// stalled reports whether the peer has accepted no data for longer than
// WriteTimeout.
func (l *loop) stalled(c *Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.blocked {
		return false
	}
	n := c.pending()
	if c.queue != nil {
		n = c.queueOf().Buffered()
	}
	l.tally.waiting += int64(n)
	l.tally.behind++
	if l.now-c.stalled < l.s.writeTimeout {
		return false
	}
	c.giveUpWriting(errWriteStalled)
	return true
}

// expire closes a connection at the end of its lifetime.
func (l *loop) expire(c *Conn) {
	c.mu.Lock()
	c.startClose(ws.StatusGoingAway, "")
	c.mu.Unlock()
	c.closes()
}

// timedOut ends a connection because of a timeout. It sends a close frame if
// nothing waits.
func (l *loop) timedOut(c *Conn, err error) {
	c.protocol.Fail(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blocked || err == wsutil.ErrCloseTimeout {
		c.giveUpWriting(err)
		return
	}
	if !c.broken {
		c.encode(func(dst []byte) ([]byte, error) { return c.protocol.AppendCloseFor(dst, err), nil })
	}
}

// keepAlive sends a ping that is due, unless other data waits.
func (l *loop) keepAlive(c *Conn) {
	c.flags |= flagPing
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blocked || c.broken {
		return
	}
	c.flags &^= flagPing
	c.ping(nil)
	c.protocol.PingSent(l.now)
}
