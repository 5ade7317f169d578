package websocket

import (
	"context"
	"sync/atomic"
)

// reader is the turn to read. Nobody waits for it but Close and CloseRead, which are told
// when it is free.
type reader struct {
	state  atomic.Int32
	wanted atomic.Bool
	free   chan struct{} // of capacity 1; there before wanted is set
}

const (
	readerFree = iota
	readerBusy
	readerCloses // Close waits for the peer's close frame
)

func (r *reader) take() bool { return r.state.CompareAndSwap(readerFree, readerBusy) }

func (r *reader) release() {
	r.state.Store(readerFree)
	r.tell()
}

// tell wakes up one of those who wait. Who was woken and does not take the turn has to
// call it, too.
func (r *reader) tell() {
	if r.wanted.Load() {
		select {
		case r.free <- struct{}{}:
		default:
		}
	}
}

// beginRead takes the turn to read.
func (c *Conn) beginRead(ctx context.Context) error {
	if ctx.Done() != nil && ctx.Err() != nil {
		return c.notBegun(ctx)
	}
	if !c.reader.take() {
		return c.refuseRead(ctx)
	}
	return nil
}

// notBegun is what a read returns whose context has ended before.
func (c *Conn) notBegun(ctx context.Context) error {
	if f := c.failure.Load(); f != nil {
		return f.read
	}
	return &opError{"read", contextError(ctx, stillOpen)}
}

// refuseRead says why the turn could not be taken. While Close has it, that is known only
// once the connection is closed.
func (c *Conn) refuseRead(ctx context.Context) error {
	if f := c.failure.Load(); f != nil {
		return f.read
	}
	if c.reader.state.Load() != readerCloses {
		return ErrConcurrentRead
	}
	select {
	case <-c.done:
		return c.failure.Load().read
	case <-ctx.Done():
		return c.notBegun(ctx)
	}
}

// endRead gives the turn to read up. It is called even if a callback has panicked: a
// message of which a part is lost then ends the connection.
func (c *Conn) endRead() {
	if c.half && c.stream == nil && c.failure.Load() == nil {
		c.conclude(failure{err: errPanicked, drop: true})
		defer c.shut()
	}
	if f := c.failure.Load(); f != nil {
		c.lastRead(f)
	}
	if c.input != nil {
		c.shrinkInput()
	}
	c.reader.release()
}

// lastRead lets go of what no read needs any more.
func (c *Conn) lastRead(f *failure) {
	if f.drop {
		c.in = nil
	}
	if c.inflater != nil && len(c.in) == 0 {
		c.inflater.Close()
	}
}

// shrinkInput gives the input back, or moves what is left of it to a smaller one: it may
// have to wait for long until somebody reads it. A byte is moved a few times at most.
func (c *Conn) shrinkInput() {
	old := c.input
	switch {
	case c.stream != nil && len(c.stream.chunk.Payload) > 0:
		return // it lies there
	case len(c.in) == 0:
		c.in, c.input = nil, nil
	case cap(old.b) > minBuffer && len(c.in) <= cap(old.b)/4:
		c.input = newBuffer(len(c.in))
		c.in = append(c.input.b, c.in...)
	default:
		return
	}
	old.free()
}
