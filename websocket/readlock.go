package websocket

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// readLock is the lock for reading from the connection. Only Close and
// CloseRead wait for it: want returns a channel that signals when it is free.
//
// While the holder runs a callback, the lock is lent. Other reads are still
// refused, but a Close may take the lock over and finish the closing handshake,
// because the callback may be the caller of Close.
type readLock struct {
	state  atomic.Int32
	wanted atomic.Bool
	mu     sync.Mutex    // guards free until wanted is set
	free   chan struct{} // of capacity 1
}

const (
	readFree int32 = iota
	readHeld
	readLent
	readCloses // held by Close
)

func (l *readLock) take() bool { return l.state.CompareAndSwap(readFree, readHeld) }

// takeToClose is take for Close.
func (l *readLock) takeToClose() bool { return l.state.CompareAndSwap(readFree, readCloses) }

// takeOver takes the lock from a holder that runs a callback.
func (l *readLock) takeOver() bool { return l.state.CompareAndSwap(readLent, readCloses) }

// lend lends the lock while a callback runs. It returns false if Close holds
// the lock.
func (l *readLock) lend() bool { return l.state.CompareAndSwap(readHeld, readLent) }

// takeBack ends lend. It returns false if the lock was taken over.
func (l *readLock) takeBack() bool { return l.state.CompareAndSwap(readLent, readHeld) }

func (l *readLock) release() {
	l.state.Store(readFree)
	l.tell()
}

// tell wakes one waiter. A waiter that does not take the lock must call tell
// again.
func (l *readLock) tell() {
	if l.wanted.Load() {
		select {
		case l.free <- struct{}{}:
		default:
		}
	}
}

// want returns the channel that signals when the lock is free.
func (l *readLock) want() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.free == nil {
		l.free = make(chan struct{}, 1)
	}
	l.wanted.Store(true)
	return l.free
}

// beginRead takes the read lock.
func (c *Conn) beginRead(ctx context.Context) error {
	if ctx == nil || ctx.Done() != nil && ctx.Err() != nil {
		return c.notBegun(ctx)
	}
	if !c.read.take() {
		return c.refuseRead(ctx)
	}
	return nil
}

// notBegun returns the error of a read whose context is nil or has already
// ended.
func (c *Conn) notBegun(ctx context.Context) error {
	if ctx == nil {
		return &opError{"read", errNilContext}
	}
	if f := c.ended(); f != nil {
		return f.read
	}
	return &opError{"read", contextError(ctx, stillOpen)}
}

// refuseRead returns why the lock could not be taken. While Close holds the
// lock, refuseRead waits until the connection is closed, because the reason is
// known only then.
func (c *Conn) refuseRead(ctx context.Context) error {
	if f := c.ended(); f != nil {
		return f.read
	}
	if c.read.state.Load() != readCloses {
		return ErrConcurrentRead
	}
	select {
	case <-c.done:
		return c.ended().read
	case <-ctx.Done():
		return c.notBegun(ctx)
	}
}

// endRead releases the read lock.
func (c *Conn) endRead() {
	if c.protocol.Err() != nil {
		c.lastRead()
	}
	if b := c.input.buffer; b != nil && len(c.input.p) <= cap(b.B)/4 {
		c.input.shrink()
	}
	c.read.release()
}

// endReadWith is endRead after a read that ended with err. It returns the error
// for the caller. It does not release the lock if it was taken over.
func (c *Conn) endReadWith(err error) error {
	if err == errTakenOver {
		return c.ended().read
	}
	c.endRead()
	return err
}

// lastRead releases what no further read needs.
func (c *Conn) lastRead() {
	if c.protocol.Err() == errClosed {
		c.protocol.EOF()
		c.input.drop()
	}
	if c.protocol.Stopped() {
		c.input.drop()
	}
}

// callbackCount counts the running callbacks of the user.
type callbackCount struct {
	reading atomic.Int32  // running callbacks about reading: more than one if they call Close
	nested  atomic.Int32  // how many of these were called by a Close
	ended   atomic.Uint32 // how many callbacks about reading have ended
	writing atomic.Int32  // other running callbacks
}

func (b *callbackCount) running() bool { return b.reading.Load() > 0 || b.writing.Load() > 0 }

// callbackGrace is how long a Close waits for a callback about reading to
// return before it takes over the read lock.
const callbackGrace = 100 * time.Millisecond

// call calls a callback of the user for the holder of the read lock. It returns
// false if a Close has taken the lock over: the connection is then closed, and
// the caller no longer holds the lock. If f does not return, because it panics
// or ends the goroutine, call releases the lock.
func (c *Conn) call(f func()) (held bool) {
	returned := false
	lent := c.read.lend()
	c.callbacks.reading.Add(1)
	if !lent {
		c.callbacks.nested.Add(1)
	}
	defer func() {
		if !lent {
			c.callbacks.nested.Add(-1)
		}
		c.callbacks.ended.Add(1)
		c.callbacks.reading.Add(-1)
		held = !lent || c.read.takeBack()
		switch {
		case !returned && held:
			v := recover()
			c.abandonRead(v)
			repanic(v)
		case returned && !held:
			<-c.done
		}
	}()
	f()
	returned = true
	return
}
