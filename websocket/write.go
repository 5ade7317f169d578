package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Write sends p as a message. It neither changes nor retains p. That text is UTF-8 is for
// the caller to see to.
//
// A message is one frame and one write to the transport, unless it is neither compressed
// nor shorter than FragmentSize: then it is cut into frames of that size, so that pings,
// pongs and a close frame get through while it is on its way. Messages of several
// goroutines go out one after the other.
//
// If ctx ends while Write waits for its turn, or before the first byte is out, the error
// wraps ctx.Err() and the cause, and the connection is as usable as before. If it ends
// later, the connection is closed, and the error says so. Once the connection has ended,
// or the closing handshake has begun, the error wraps net.ErrClosed, and why it has ended: a
// [CloseError] if the peer closed it.
func (c *Conn) Write(ctx context.Context, typ MessageType, p []byte) error {
	op := ws.OpCode(typ)
	if op != ws.OpText && op != ws.OpBinary {
		return errType(typ)
	}
	if c.deflater != nil || len(p) > c.fragment {
		return c.writeOther(ctx, op, p)
	}
	if err := c.lock(ctx, forMessage); err != nil {
		return err
	}
	err := c.writeSmall(ctx, op, p)
	c.unlock(turnOpen, 0)
	return err
}

func errType(typ MessageType) error {
	return &opError{"write", fmt.Errorf("%v is no type of messages", typ)}
}

// writeSmall writes a message that is not compressed in one frame. The turn to write is
// held.
func (c *Conn) writeSmall(ctx context.Context, op ws.OpCode, p []byte) error {
	if len(p) > coalesceMost {
		return c.writeLarge(ctx, op, p)
	}
	b := newBuffer(ws.MaxHeaderSize + len(p))
	out, err := c.protocol.AppendMessage(b.b, op, p)
	if err != nil {
		err = c.refused(err)
	} else {
		err = c.transmit(ctx, out, intact)
	}
	b.free()
	if err == nil && c.observed() {
		c.tellWritten(op, len(p), len(p))
	}
	return err
}

func (c *Conn) writeLarge(ctx context.Context, op ws.OpCode, p []byte) error {
	err := c.writeFrame(ctx, ws.Header{Fin: true, OpCode: op}, p, intact)
	if err == nil {
		c.countWritten(op, len(p), len(p))
	}
	return err
}

// coalesceMost is the longest payload that is copied behind its header: up to here that
// costs no more than a vectored write, and beyond it does.
const coalesceMost = 32 << 10

// lock takes the turn to write.
func (c *Conn) lock(ctx context.Context, k kind) error {
	if ctx.Done() != nil && ctx.Err() != nil {
		return c.notLocked(ctx)
	}
	if !c.turn.tryLock(k) && !c.turn.lock(ctx, k, c.done) {
		return c.notLocked(ctx)
	}
	if c.failure.Load() != nil || c.broken.Load() != nil {
		c.unlock(0, 0)
		return c.notLocked(ctx)
	}
	return nil
}

// notLocked says why there is nothing to write any longer, or not under ctx.
func (c *Conn) notLocked(ctx context.Context) error {
	if f := c.failure.Load(); f != nil {
		return f.write
	}
	if err := c.broken.Load(); err != nil {
		return err
	}
	return &opError{"write", contextError(ctx, stillOpen)}
}

// unlock gives the turn to write up, with the replies written that were left meanwhile.
// drop and set are those of [turn.unlock].
func (c *Conn) unlock(drop, set uint32) {
	for rounds := 0; ; rounds++ {
		r := c.turn.unlock(drop, set, rounds > 0)
		switch {
		case r == nil:
			return
		case rounds == floodRounds:
			c.turn.change(drop, set) // from here on the goroutine may be overtaken
			go func() {
				c.writeReplies(r)
				c.unlock(0, 0)
			}()
			return
		}
		c.writeReplies(r)
	}
}

// floodRounds is how many times somebody writes what the peer keeps asking for before a
// goroutine takes over, for as long as the peer does so.
const floodRounds = 4

// refused is the error for what the protocol will not send.
func (c *Conn) refused(err error) error {
	switch {
	case !errors.Is(err, wsutil.ErrClosing):
		return &opError{"write", err}
	case c.failure.Load() != nil:
		return c.failure.Load().write
	}
	return &opError{"write", errClosing}
}

// recovery says what a connection is after a write that has not written one byte.
type recovery uint8

const (
	spoiled recovery = iota // over: a part of a message is out
	intact                  // as usable as before
	kept                    // as usable as before, with what was not written kept for the next write
)

// transmit writes p, a whole frame.
func (c *Conn) transmit(ctx context.Context, p []byte, to recovery) error {
	if c.timesWrites(ctx) {
		return c.transmitTimed(ctx, p, nil, to)
	}
	if _, err := c.transport.Write(p); err != nil {
		return c.writeFailed(err)
	}
	return nil
}

// timesWrites reports whether there is more to a write than to do it.
func (c *Conn) timesWrites(ctx context.Context) bool {
	return ctx.Done() != nil || c.opts.WriteTimeout > 0 || c.residue != nil
}

// transmitTimed is transmit of p and more, under a context that may end or with a time
// to keep.
func (c *Conn) transmitTimed(ctx context.Context, p, more []byte, to recovery) error {
	if c.opts.WriteTimeout > 0 {
		c.setClockEarlier(clockWrite, now()+int64(c.opts.WriteTimeout))
		defer c.clock.clear(clockWrite)
	}
	watched := ctx.Done() != nil
	if watched {
		c.writeWatch.begin(ctx, c, true)
	}
	n, err := 0, error(nil)
	if c.residue != nil {
		err = c.writeResidue()
	}
	if err == nil && len(p) > 0 {
		n, err = c.writeTransport(p, more)
	}
	how := undisturbed
	if watched {
		how = c.writeWatch.finish()
	}
	switch {
	case err == nil && how != destroyed:
		return nil
	case how == undisturbed || c.failure.Load() != nil:
		return c.writeFailed(err)
	}
	if to == kept && c.residue == nil && how == interrupted && c.transport.survivesInterrupt() {
		c.keepResidue(n, p, more)
		return &opError{"write", contextError(ctx, stillOpen)}
	}
	return c.writeEnded(ctx, how, n, to)
}

// writeEnded is what a write returns whose context has ended after n bytes.
func (c *Conn) writeEnded(ctx context.Context, how outcome, n int, to recovery) error {
	meaning := stillOpen
	switch {
	case n > 0:
		meaning = withinFrame
	case how == destroyed:
		meaning = withoutDeadlines
	case to == spoiled:
		meaning = withinSent
	case !c.transport.survivesInterrupt():
		meaning = withinFrame
	default:
		return &opError{"write", contextError(ctx, meaning)}
	}
	c.fail(failure{err: contextError(ctx, meaning)})
	return c.failure.Load().write
}

// writeFailed notes an error of the transport's. What the peer has sent before may still
// be read, for a while.
func (c *Conn) writeFailed(err error) error {
	if f := c.failure.Load(); f != nil {
		return f.write
	}
	c.broken.CompareAndSwap(nil, &opError{"write", err})
	c.setClockEarlier(clockClose, now()+int64(c.opts.closeTimeout()))
	return c.broken.Load()
}

// vector lends the memory for a vectored write.
type vector struct {
	parts [2][]byte
	v     net.Buffers // consumed by WriteTo
}

var vectors = sync.Pool{New: func() any { return new(vector) }}

// writeTransport writes p and more, in one write if it can.
func (c *Conn) writeTransport(p, more []byte) (int, error) {
	if len(more) == 0 {
		return c.transport.Write(p)
	}
	v := vectors.Get().(*vector)
	v.parts = [2][]byte{p, more}
	v.v = v.parts[:]
	n, err := v.v.WriteTo(c.transport.ReadWriteCloser)
	v.parts, v.v = [2][]byte{}, nil
	vectors.Put(v)
	return int(n), err
}
