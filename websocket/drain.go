package websocket

import (
	"errors"
	"os"
)

// Bits of Conn.draining.
const (
	drainBegun   = 1 << iota // reads between messages return ErrDraining
	drainPending             // the deadline that interrupts reads is set
)

// drain makes reads between messages return ErrDraining, including a pending
// one. It returns false if the transport does not support that.
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

// drained reports whether a read must return ErrDraining instead of waiting.
// The read lock is held.
func (c *Conn) drained() bool {
	return c.draining.Load() != 0 && !c.protocol.InMessage() && c.read.state.Load() != readCloses
}

// undrain makes the transport readable again after drain has interrupted a read
// with err. It returns false if err has another cause. The read lock is held.
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

// closeDrained is CloseNow for a connection that drains. It calls Close. If the
// current goroutine may be running a callback, it calls Close on another
// goroutine. It returns false if the connection does not drain.
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
