package websocket

import (
	"errors"
	"os"
)

// The bits of Conn.draining.
const (
	drainBegun   = 1 << iota // reads between messages return ErrDraining
	drainPending             // the deadline that interrupts a read is set
)

// drain makes reads between messages return ErrDraining, also one that waits. It reports
// false if the transport cannot do that.
func (c *Conn) drain(g *Group) bool {
	t, ok := c.transport.ReadWriteCloser.(readDeadliner)
	if !ok {
		return false
	}
	x := c.extra()
	x.mu.Lock()
	defer x.mu.Unlock()
	if c.draining.Load() != 0 {
		return true
	}
	x.drains = g
	c.draining.Store(drainBegun | drainPending)
	return t.SetReadDeadline(longAgo) == nil
}

// drained reports whether a read has to return ErrDraining in place of waiting. The read
// lock is held.
func (c *Conn) drained() bool {
	return c.draining.Load() != 0 && !c.protocol.InMessage() && c.read.state.Load() != readCloses
}

// undrain makes the transport readable again after drain has interrupted a read with err.
// It reports false if err has another reason. The read lock is held.
func (c *Conn) undrain(err error) bool {
	if c.draining.Load()&drainPending == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	x := c.extra()
	x.mu.Lock()
	defer x.mu.Unlock()
	c.draining.And(^uint32(drainPending))
	c.transport.resume(false)
	return true
}

// closeDrained is CloseNow of a connection that drains: it is Close, on another goroutine
// if this one may be a callback's. It reports false if the connection does not drain.
func (c *Conn) closeDrained() bool {
	if c.draining.Load() == 0 || c.protocol.Err() != nil {
		return false
	}
	g := c.extra().drains
	if !c.callbacks.running() {
		c.Close(g.code(), g.Reason)
		return true
	}
	go func() {
		defer c.guard()
		c.Close(g.code(), g.Reason)
	}()
	return true
}
