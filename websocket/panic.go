package websocket

import (
	"context"
	"runtime/debug"

	"github.com/wskit/wskit/wsutil"
)

// guard is deferred by goroutines of this package that may call functions of
// the user. A panic of such a function ends the connection, not the process.
func (c *Conn) guard() {
	if v := recover(); v != nil {
		c.panicked(v)
	}
}

// panicked ends the connection after a callback panicked with v on a goroutine
// of this package. It tries for a short time to tell the peer.
func (c *Conn) panicked(v any) {
	err := &PanicError{Value: v, Stack: debug.Stack()}
	defer func() {
		if h := c.opts.Hooks; h != nil && h.Panicked != nil {
			c.callbacks.writing.Add(1)
			defer c.callbacks.writing.Add(-1)
			defer func() { recover() }() // no caller is left for this panic
			h.Panicked(c, err)
		}
	}()
	defer func() { recover() }() // hooks are called again, and may panic again
	c.giveUp(err)
}

// notReturned returns the error of a connection after a callback that did not
// return. v is the result of recover: nil if the callback has ended its
// goroutine.
func notReturned(v any) error {
	if v == nil {
		return errExited
	}
	return &PanicError{Value: v, Stack: debug.Stack()}
}

// repanic continues the panic of a callback, for the caller of this package. It
// does nothing if v is nil.
func repanic(v any) {
	if v != nil {
		panic(v)
	}
}

// abandonRead releases the read lock after a callback that did not return. v is
// the result of recover. If a part of a message is lost, or the peer was not
// told yet how the connection ended, abandonRead closes the connection.
func (c *Conn) abandonRead(v any) {
	if c.protocol.InMessage() && c.stream == nil || c.protocol.Err() != nil {
		err := notReturned(v)
		c.protocol.Fail(err)
		c.protocol.EOF()
		defer c.aside(func() { c.giveUp(err) })
	}
	c.endRead()
}

// callWriting calls a callback of the user while the write lock is held. If f
// does not return, the lock stays held and the connection ends.
func (c *Conn) callWriting(f func()) {
	returned := false
	c.callbacks.writing.Add(1)
	defer func() {
		defer c.callbacks.writing.Add(-1)
		if !returned {
			v := recover()
			c.abandonWrite(notReturned(v))
			repanic(v)
		}
	}()
	f()
	returned = true
}

// abandonWrite ends the connection with err and keeps the write lock held
// forever.
func (c *Conn) abandonWrite(err error) {
	c.protocol.Fail(err)
	c.limitClosing(wsutil.LingerTime)
	defer c.shut()
	c.aside(func() {
		c.writeClose(context.Background(), func(dst []byte) []byte { return c.protocol.AppendCloseFor(dst, err) })
	})
}
