package websocket

import (
	"context"
	"reflect"
	"runtime"
)

func (c *Conn) callPing(ctx context.Context, p []byte) (answer bool) {
	c.call(func() { answer = c.opts.onPing(ctx, p) })
	return answer
}

func (c *Conn) callPong(ctx context.Context, p []byte) {
	c.call(func() { c.opts.onPong(ctx, p) })
}

// call calls a function of the caller's for who has the turn to read. If f does not return, since
// it panics or ends the goroutine, the turn is given up. It may not be inlined: see
// calledBack.
//
//go:noinline
func (c *Conn) call(f func()) {
	returned := false
	c.calling.Store(true)
	defer func() {
		c.calling.Store(false)
		if !returned {
			c.endRead()
		}
	}()
	f()
	returned = true
}

// callWritten calls a function of the caller's for who may have the turn to write. If f does not
// return, nor does that turn, and the connection is over.
func (c *Conn) callWritten(f func()) {
	returned := false
	c.observers.Add(1)
	defer func() {
		c.observers.Add(-1)
		if !returned {
			c.fail(failure{err: errPanicked})
		}
	}()
	f()
	returned = true
}

// calledBack reports whether the goroutine is within a callback for who has the turn to
// read, of this connection or, what happens seldom and does no harm, of another one: a Close
// there must not wait for the read that waits for it. The flag calling tells of callbacks of
// any goroutine; only the stack tells which goroutine it is.
func (c *Conn) calledBack() bool {
	if !c.calling.Load() {
		return false
	}
	call := reflect.ValueOf((*Conn).call).Pointer()
	var callers [32]uintptr
	for skip := 2; ; skip += len(callers) {
		n := runtime.Callers(skip, callers[:])
		for frames := runtime.CallersFrames(callers[:n]); n > 0; {
			frame, more := frames.Next()
			if frame.Entry == call {
				return true
			}
			if !more {
				break
			}
		}
		if n < len(callers) {
			return false
		}
	}
}
