package websocket

import (
	"errors"
	"net"
)

// failure is how a connection ended.
type failure struct {
	err         error // for Close
	read, write error // the same for reads and writes, for ever
	drop        bool  // what has been received counts no more
}

// fail ends the connection, if nothing has done so before: f says why.
func (c *Conn) fail(f failure) {
	c.conclude(f)
	c.shut()
}

// conclude makes f how the connection ended, if nothing is yet, and returns what
// is. The transport stays open.
func (c *Conn) conclude(f failure) *failure {
	f.read = &opError{"read", f.err}
	f.write = &opError{"write", nowClosed(f.err)}
	c.failure.CompareAndSwap(nil, &f)
	return c.failure.Load()
}

// nowClosed returns err as an error that is net.ErrClosed, too: who writes need not know in
// which of many ways a connection can have ended.
func nowClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return err
	}
	return &chainError{err.Error(), []error{err, net.ErrClosed}}
}

// shut closes the transport and lets go of everything that waits for the connection. It
// may be called by anyone, at any time; failure is set.
func (c *Conn) shut() {
	if c.closed.Swap(true) {
		return
	}
	c.closeTransport()
	close(c.done)
	c.clock.stop()
	c.readWatch.drop()
	c.writeWatch.drop()
	if c.reader.take() {
		c.endRead() // gives the input back
	}
	c.releaseFlate()
	if c.opts.Group != nil {
		c.opts.Group.remove(c)
	}
	if h := c.opts.Hooks; h != nil && h.Closed != nil {
		c.callWritten(func() { h.Closed(c, c.CloseRecord()) })
	}
}
