package websocket

import (
	"context"
	"runtime/debug"

	"github.com/wskit/wskit/wsutil"
)

// guard is deferred by the goroutines of this package that may call functions of the
// user's. A panic of one ends the connection and not the process.
func (c *Conn) guard() {
	if v := recover(); v != nil {
		c.panicked(v)
	}
}

// panicked ends the connection after a callback has panicked with v on a goroutine of
// this package. The peer is told if that does not take long.
func (c *Conn) panicked(v any) {
	err := &PanicError{Value: v, Stack: debug.Stack()}
	defer func() {
		if h := c.opts.Hooks; h != nil && h.Panicked != nil {
			c.callbacks.writing.Add(1)
			defer c.callbacks.writing.Add(-1)
			defer func() { recover() }() // nobody is left to be told of this one
			h.Panicked(c, err)
		}
	}()
	defer func() { recover() }() // hooks are called again, and may panic again
	c.giveUp(err)
}

// notReturned returns the error of a connection after a callback that did not return.
// v is what recover returned: nil if the callback has ended its goroutine.
func notReturned(v any) error {
	if v == nil {
		return errExited
	}
	return &PanicError{Value: v, Stack: debug.Stack()}
}

// repanic goes on with the panic of a callback, for whoever called this package. v is nil
// if there was none.
func repanic(v any) {
	if v != nil {
		panic(v)
	}
}

// abandonRead releases the read lock after a callback did not return. v is what recover
// returned. If a part of a message is lost by that, or the peer was not told yet how
// the connection has ended, the connection is closed.
func (c *Conn) abandonRead(v any) {
	if c.protocol.InMessage() && c.stream == nil || c.protocol.Err() != nil {
		err := notReturned(v)
		c.protocol.Fail(err)
		c.protocol.EOF()
		defer c.aside(func() { c.giveUp(err) })
	}
	c.endRead()
}

// callWriting calls a function of the user's while the write lock is held. If f does
// not return, that lock is not released, and the connection is over.
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

// abandonWrite ends the connection because of err with the write lock held, for good.
func (c *Conn) abandonWrite(err error) {
	c.protocol.Fail(err)
	c.limitClosing(wsutil.LingerTime)
	defer c.shut()
	c.aside(func() {
		c.writeClose(context.Background(), func(dst []byte) []byte { return c.protocol.AppendCloseFor(dst, err) })
	})
}
