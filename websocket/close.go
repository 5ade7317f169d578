package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Close performs the closing handshake (RFC 6455, section 7.1.2): it sends the messages
// that wait in the queue of [Conn.Send] and then a close frame, also between the frames of
// a message that others write, waits for the peer's, and closes the transport. All of it
// takes at most CloseTimeout: then the transport is closed. Close returns nil if both close
// frames were exchanged, whichever was first. The messages in the queue have half of that
// time, and the rest of them is dropped: they cannot be sent while a message of
// [Conn.Writer] is open, for instance.
//
// It may be called by any goroutine, at any time and several times: later calls wait
// for the first one, whose code and reason count. A read under way returns messages
// until the peer's close frame arrives; if there is none under way, Close reads itself,
// and what arrives is dropped. Reads that begin afterwards return how the connection
// ended.
//
// A callback about reading, one for pings or pongs or a hook, may call Close. If a
// callback still runs 100 ms after the close frame was sent, Close takes over from the
// read that has called it, reads itself and drops what arrives; that read then returns
// how the connection ended. Hooks and callbacks that what arrives calls for run beside
// the one that still runs. [ErrClosePending] is returned to a callback that is called
// by such a Close.
//
// Closing a transport that has no deadlines may not end its reads and writes. Close and
// CloseNow do not wait for those once the time is over: the goroutine of a read or a
// write that is stuck there stays until the transport lets it go.
//
// With code 0 or [StatusNoStatusRcvd] the frame has no code. Other codes that may not
// be sent are an error that leaves the connection as it was. A reason of more than 123
// bytes is cut.
func (c *Conn) Close(code StatusCode, reason string) error {
	wire, ok := code.wire()
	if !ok {
		return &opError{"close", fmt.Errorf("a close frame may not carry %v", code)}
	}
	until := now() + c.protocol.CloseTimeout()
	err := c.handshake(wire, reason)
	c.closeReads.await(c, until)
	return err
}

// CloseContext is [Conn.Close] for no longer than ctx lasts: when ctx ends, the
// transport is closed.
func (c *Conn) CloseContext(ctx context.Context, code StatusCode, reason string) error {
	if ctx == nil {
		return &opError{"close", errNilContext}
	}
	defer context.AfterFunc(ctx, func() {
		defer c.guard()
		c.fail(contextError(ctx, withinClosing))
	})()
	return c.Close(code, reason)
}

// CloseNow closes the transport without a handshake: the peer does not learn why, and
// may lose what was sent last. It does nothing if the connection is closed already, so
// that it can be deferred, and always returns nil. While a [Group] of the connection drains,
// it performs the handshake: see [Group.Drain].
func (c *Conn) CloseNow() error {
	if !c.closeDrained() {
		c.closeNow()
	}
	return nil
}

// closeNow closes the transport without a handshake.
func (c *Conn) closeNow() {
	until := now() + c.protocol.CloseTimeout()
	c.fail(errClosed)
	c.closeReads.await(c, until)
}

// handshake is Close with a code that may be sent.
func (c *Conn) handshake(code ws.StatusCode, reason string) error {
	c.limitClosing(c.protocol.CloseTimeout())
	c.aside(func() {
		c.endSends()
		c.sendCode(code, reason)
	})
	closed := c.awaitPeer()
	switch {
	case c.protocol.Closing().Done() && c.broken.Load() == nil:
		return nil
	case !closed:
		return ErrClosePending
	}
	return &opError{"close", c.ended().err}
}

// closeWrite sends a close frame and leaves the rest of the handshake to the reads.
func (c *Conn) closeWrite(code StatusCode) error {
	c.limitClosing(c.protocol.CloseTimeout())
	c.endSends()
	c.sendCode(ws.StatusCode(code), "")
	if c.protocol.Closing().Sent == 0 || c.broken.Load() != nil {
		return c.notLocked(context.Background())
	}
	return nil
}

// aside calls f, and returns at the latest when the connection is closed: closing a
// transport without deadlines may not end what f does with it.
func (c *Conn) aside(f func()) {
	if _, ok := c.transport.ReadWriteCloser.(readDeadliner); ok {
		f()
		return
	}
	ended := make(chan any) // what f has panicked with
	left := make(chan struct{})
	defer close(left)
	go func() {
		defer func() {
			v := recover()
			select {
			case ended <- v:
			case <-left:
				if v != nil {
					c.panicked(v)
				}
			}
		}()
		f()
	}()
	select {
	case v := <-ended:
		repanic(v)
	case <-c.done:
	}
}

// sendCode sends a close frame with this code and reason, unless there was one already.
func (c *Conn) sendCode(code ws.StatusCode, reason string) {
	c.sendClose(context.Background(), func(dst []byte) []byte {
		dst, _ = c.protocol.AppendClose(dst, code, reason)
		return dst
	})
}

// sendClose sends the close frame that frame appends, unless there was one already.
func (c *Conn) sendClose(ctx context.Context, frame func(dst []byte) []byte) {
	if !c.write.tryLock(forControl) && !c.write.lock(ctx, forControl, c.done) {
		return
	}
	c.writeClose(ctx, frame)
	c.unlock(0, 0)
}

// writeClose is sendClose with the write lock held. It does nothing where nothing can
// get through any more: the transport is closed, or what was written last may have been
// cut within a frame.
func (c *Conn) writeClose(ctx context.Context, frame func(dst []byte) []byte) {
	if c.closed.Load() || c.broken.Load() != nil {
		return
	}
	b := bufpool.Get(ws.MaxHeaderSize + ws.MaxControlFramePayloadSize)
	defer b.Free()
	out := frame(b.B)
	if len(out) == 0 {
		return
	}
	if err := c.transmit(ctx, out, spoiled); err != nil {
		c.broken.CompareAndSwap(nil, &opError{"close", err}) // the peer may have got it or not
		return
	}
	c.countControl(ws.OpClose, true, StatusCode(c.protocol.Closing().Sent))
}

// awaitPeer returns when the connection is closed. It reads if no other goroutine does,
// and takes the read lock over from a callback that does not return soon: that may be
// the caller. It reports false if it cannot wait, since the caller may be a callback of
// a Close, which has to return first.
func (c *Conn) awaitPeer() bool {
	atFirst := c.callbacks.ended.Load()
	for {
		free := c.read.want()
		if c.read.takeToClose() {
			c.aside(c.readToClose)
			<-c.done // the goroutine that has found out first closes, which may take a while
		}
		var grace <-chan time.Time
		ended := c.callbacks.ended.Load()
		if c.callbacks.reading.Load() > 0 {
			timer := time.NewTimer(callbackGrace)
			defer timer.Stop()
			grace = timer.C
		}
		select {
		case <-c.done:
			return true
		case <-free:
		case <-grace:
			now := c.callbacks.ended.Load()
			switch {
			case now != ended: // that callback has returned
			case c.read.takeOver():
				c.aside(c.readToClose)
				<-c.done
			case now == atFirst && c.callbacks.nested.Load() > 0:
				return false
			}
		}
	}
}

// readToClose reads until the connection ends, and drops the messages.
func (c *Conn) readToClose() {
	c.stream = nil
	c.protocol.Discard()
	for {
		if _, err := c.next(context.Background()); err != nil {
			c.endRead()
			return
		}
	}
}

// peerClosed ends the connection after the peer's close frame, which it answers unless
// it is the answer.
func (c *Conn) peerClosed(ctx context.Context, ev wsutil.Event) error {
	c.limitClosing(c.protocol.CloseTimeout())
	c.sendClose(ctx, func(dst []byte) []byte { return c.protocol.AppendReply(dst, ev) })
	return c.settle(ctx)
}

// peerFault ends the connection after err, an error of the protocol: the peer is told
// of a fault of its own (RFC 6455, section 7.1.7).
func (c *Conn) peerFault(ctx context.Context, err error) error {
	if !c.protocol.ReplyDue() && c.closed.Load() {
		return c.ended().read
	}
	c.limitClosing(c.protocol.CloseTimeout())
	c.sendClose(ctx, func(dst []byte) []byte { return c.protocol.AppendCloseFor(dst, err) })
	return c.settle(ctx)
}

// settle does with the transport what is left to do, and closes it. Unread input makes
// TCP reset a connection that is closed, but no stream of a handler, which can only end
// both directions.
func (c *Conn) settle(ctx context.Context) error {
	unread := len(c.input.p) > 0 && !c.transport.handlers()
	switch c.protocol.Transport(unread, c.transport.halfCloses()) {
	case wsutil.HalfClose:
		c.linger(ctx, c.protocol.Linger(c.endWriting()))
	case wsutil.DropInput:
		c.linger(ctx, c.protocol.Linger(false))
	}
	c.shut()
	return c.ended().read
}

// endWriting ends the sending of the transport, and reports whether it could.
func (c *Conn) endWriting() bool {
	if !c.write.tryLock(forControl) {
		return false
	}
	defer c.unlock(0, 0)
	return c.transport.closeWrite() == nil
}

// linger drops what arrives until the peer ends its side, for d at most.
func (c *Conn) linger(ctx context.Context, d time.Duration) {
	c.limitClosing(d)
	c.input.drop()
	c.undrain(os.ErrDeadlineExceeded)
	if ctx.Done() != nil {
		c.readWatch.begin(ctx, c, false)
		defer c.readWatch.finish()
	}
	c.transport.drop()
}

// giveUp ends the connection because of err, a silence of the peer. It tells the peer
// if that does not take long.
func (c *Conn) giveUp(err error) {
	c.protocol.Fail(err)
	c.limitClosing(wsutil.LingerTime)
	if c.write.tryLock(forControl) {
		c.writeClose(context.Background(), func(dst []byte) []byte { return c.protocol.AppendCloseFor(dst, err) })
		c.unlock(0, 0)
	}
	c.shut()
}

// fail ends the connection because of err, if nothing has ended it before.
func (c *Conn) fail(err error) {
	c.protocol.Fail(err)
	c.shut()
}

// shut closes the transport and lets go of everything that waits for the connection. It
// may be called by any goroutine, at any time, once the protocol knows an error.
func (c *Conn) shut() {
	if c.closed.Swap(true) {
		if c.transport.handlers() {
			<-c.done // the handler may return once this returns
		}
		return
	}
	c.clock.stop() // first: what is due stays due until then
	c.transport.shut(c.protocol.Closing().Done())
	c.countEnd()
	close(c.done)
	c.readWatch.drop()
	c.writeWatch.drop()
	if c.read.take() {
		c.endRead() // gives the input back
	}
	if c.write.tryLock(forControl) {
		c.protocol.Release()
		c.unlock(0, 0)
	}
	if s := c.sends.Load(); s != nil {
		s.release()
	}
	c.leaveAll()
	if h := c.opts.Hooks; h != nil && h.Closed != nil {
		c.callbacks.writing.Add(1)
		defer c.callbacks.writing.Add(-1)
		h.Closed(c, c.CloseRecord())
	}
}

// failure is how a connection has ended, as all reads and writes report it.
type failure struct {
	err         error // for Close
	read, write error
}

// ended returns how the connection has ended, or nil.
func (c *Conn) ended() *failure {
	if f := c.failure.Load(); f != nil {
		return f
	}
	err := c.protocol.Err()
	if err == nil {
		return nil
	}
	err = describe(err)
	c.failure.CompareAndSwap(nil, &failure{
		err:   err,
		read:  &opError{"read", err},
		write: &opError{"write", nowClosed(err)},
	})
	return c.failure.Load()
}

const lostPeer = "the peer is gone without a close frame"

// describe returns an error of the protocol in the words of this package.
func describe(err error) error {
	var closed wsutil.ClosedError
	switch {
	case errors.As(err, &closed) && closed.Code != ws.StatusAbnormalClosure:
		return CloseError{StatusCode(closed.Code), closed.Reason}
	case errors.As(err, &closed):
		return fmt.Errorf("%s: %w", lostPeer, io.EOF)
	case wsutil.IsTruncated(err):
		return fmt.Errorf("%s: %w", lostPeer, io.ErrUnexpectedEOF)
	case wsutil.CloseCode(err) == ws.StatusMessageTooBig && !errors.Is(err, wsutil.ErrTooManyFragments):
		return &chainError{"the message is longer than the read limit", []error{ErrMessageTooBig, err}}
	case errors.Is(err, wsutil.ErrCloseTimeout):
		return &chainError{err.Error(), []error{err, net.ErrClosed}}
	}
	return err
}

// nowClosed returns err as an error that is net.ErrClosed, too: a writer need not know
// in which of many ways a connection can have ended.
func nowClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return err
	}
	return &chainError{err.Error(), []error{err, net.ErrClosed}}
}

// CloseRecord is how a connection was closed, as far as it is.
type CloseRecord struct {
	// Sent and Received are the codes of our close frame and of the peer's: 0 if there
	// was none, [StatusNoStatusRcvd] for one without a code.
	Sent, Received StatusCode

	// Reason is the reason in the peer's close frame.
	Reason string

	// PeerFirst says that the peer's close frame came before ours was sent.
	PeerFirst bool

	// Clean says that both close frames are there.
	Clean bool

	// Duration is how long the connection was open, from the end of the handshake on. It
	// is 0 while it is open, and without Stats and Hooks in its options.
	Duration time.Duration

	// Err is what ended the connection: a [CloseError] after a close frame of the
	// peer, nil while it is open.
	Err error
}

// CloseRecord returns how the connection was closed. It is complete once [Conn.Done]
// is.
func (c *Conn) CloseRecord() CloseRecord {
	closing := c.protocol.Closing()
	r := CloseRecord{
		Sent:      StatusCode(closing.Sent),
		Received:  StatusCode(closing.Received),
		PeerFirst: closing.PeerFirst,
		Clean:     closing.Done() && c.broken.Load() == nil,
		Duration:  time.Duration(c.opts.life.lasted.Load()),
	}
	if f := c.ended(); f != nil {
		r.Err = f.err
		if e, ok := errors.AsType[CloseError](f.err); ok {
			r.Reason = e.Reason
		}
	}
	return r
}
