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

// Close performs the closing handshake (RFC 6455, section 7.1.2). It sends the
// messages in the queue of [Conn.Send] and then a close frame, waits for the
// peer's close frame, and closes the transport. It may send the close frame
// between the frames of another goroutine's message. All of this takes at most
// CloseTimeout; then Close closes the transport. Queued messages that cannot be
// sent within half of that time are dropped. For example, none can be sent
// while a message of [Conn.Writer] is open. Close returns nil if both close
// frames were exchanged, in either order.
//
// Close is safe for concurrent use. If it is called several times, later calls
// wait for the first one, which determines code and reason. A pending read
// returns messages until the peer's close frame arrives. If no read is pending,
// Close itself reads and discards messages. Later reads return how the
// connection ended.
//
// A callback that a read calls may call Close: OnPingReceived, OnPongReceived
// or a hook. If such a callback is still running 100 ms after the close frame
// was sent, Close takes over from the read, and reads and discards messages
// itself. The read then returns how the connection ended. Other callbacks may
// run while the first one is still running. If one of them calls Close, that
// call returns [ErrClosePending].
//
// If a transport has no deadlines, closing it may not end its pending reads and
// writes. Close and CloseNow do not wait for them after CloseTimeout: the
// goroutine of such a read or write stays blocked until the transport returns.
//
// If code is 0 or [StatusNoStatusRcvd], the frame has no code. For any other
// code that may not be sent, Close returns an error, and the connection stays
// open. A reason of more than 123 bytes is cut.
func (c *Conn) Close(code StatusCode, reason string) error {
	wire, ok := code.wire()
	if !ok {
		return &opError{"close", fmt.Errorf("close code %v may not be sent", code)}
	}
	until := now() + c.protocol.CloseTimeout()
	err := c.handshake(wire, reason)
	c.closeReads.await(c, until)
	return err
}

// CloseContext is [Conn.Close] with a context. If ctx ends first, CloseContext
// closes the transport.
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

// CloseNow closes the transport without a handshake. The peer does not learn
// why, and may lose data that was sent last. CloseNow does nothing if the
// connection is already closed, so it can be deferred. It always returns nil.
// While a [Group] of the connection drains, CloseNow performs the handshake:
// see [Group.Drain].
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

// closeWrite sends a close frame and leaves the rest of the handshake to reads.
func (c *Conn) closeWrite(code StatusCode) error {
	c.limitClosing(c.protocol.CloseTimeout())
	c.endSends()
	c.sendCode(ws.StatusCode(code), "")
	if c.protocol.Closing().Sent == 0 || c.broken.Load() != nil {
		return c.notLocked(context.Background())
	}
	return nil
}

// aside calls f on another goroutine. It returns when f has returned or the
// connection is closed, because closing a transport without deadlines may not
// end its calls.
func (c *Conn) aside(f func()) {
	if _, ok := c.transport.ReadWriteCloser.(readDeadliner); ok {
		f()
		return
	}
	ended := make(chan any) // the value of a panic of f
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

// sendCode sends a close frame with this code and reason, unless one was
// already sent.
func (c *Conn) sendCode(code ws.StatusCode, reason string) {
	c.sendClose(context.Background(), func(dst []byte) []byte {
		dst, _ = c.protocol.AppendClose(dst, code, reason)
		return dst
	})
}

// sendClose sends the close frame that frame appends, unless one was already
// sent.
func (c *Conn) sendClose(ctx context.Context, frame func(dst []byte) []byte) {
	if !c.write.tryLock(forControl) && !c.write.lock(ctx, forControl, c.done) {
		return
	}
	c.writeClose(ctx, frame)
	c.unlock(0, 0)
}

// writeClose is sendClose with the write lock held. It does nothing if the
// transport is closed or the last write may have ended within a frame.
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
		c.broken.CompareAndSwap(nil, &opError{"close", err}) // the peer may or may not have received it
		return
	}
	c.countControl(ws.OpClose, true, StatusCode(c.protocol.Closing().Sent))
}

// awaitPeer waits until the connection is closed. If no other goroutine reads,
// it reads. It takes over the read lock from a callback that does not return
// soon, because that callback may have called awaitPeer. It returns false if it
// cannot wait: its caller may be a callback that another Close called, and that
// Close waits for the callback to return.
func (c *Conn) awaitPeer() bool {
	atFirst := c.callbacks.ended.Load()
	for {
		free := c.read.want()
		if c.read.takeToClose() {
			c.aside(c.readToClose)
			<-c.done // another goroutine closes the connection, which may take a while
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
			case now != ended: // the callback has returned
			case c.read.takeOver():
				c.aside(c.readToClose)
				<-c.done
			case now == atFirst && c.callbacks.nested.Load() > 0:
				return false
			}
		}
	}
}

// readToClose reads and discards messages until the connection ends.
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

// peerClosed ends the connection after the peer's close frame. It answers the
// frame, unless that is itself the answer.
func (c *Conn) peerClosed(ctx context.Context, ev wsutil.Event) error {
	c.limitClosing(c.protocol.CloseTimeout())
	c.sendClose(ctx, func(dst []byte) []byte { return c.protocol.AppendReply(dst, ev) })
	return c.settle(ctx)
}

// peerFault ends the connection with err, an error of the protocol. It tells
// the peer about its fault (RFC 6455, section 7.1.7).
func (c *Conn) peerFault(ctx context.Context, err error) error {
	if !c.protocol.ReplyDue() && c.closed.Load() {
		return c.ended().read
	}
	c.limitClosing(c.protocol.CloseTimeout())
	c.sendClose(ctx, func(dst []byte) []byte { return c.protocol.AppendCloseFor(dst, err) })
	return c.settle(ctx)
}

// settle completes the end of the connection on the transport, and closes it.
// Unread input makes TCP reset a closed connection. The stream of a handler is
// not reset, and can only end both directions.
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

// endWriting half-closes the transport, and reports whether it could.
func (c *Conn) endWriting() bool {
	if !c.write.tryLock(forControl) {
		return false
	}
	defer c.unlock(0, 0)
	return c.transport.closeWrite() == nil
}

// linger discards input until the peer ends its side, for at most d.
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

// giveUp ends the connection with err because the peer was silent. It tries for
// a short time to tell the peer.
func (c *Conn) giveUp(err error) {
	c.protocol.Fail(err)
	c.limitClosing(wsutil.LingerTime)
	if c.write.tryLock(forControl) {
		c.writeClose(context.Background(), func(dst []byte) []byte { return c.protocol.AppendCloseFor(dst, err) })
		c.unlock(0, 0)
	}
	c.shut()
}

// fail ends the connection with err, unless it has already ended.
func (c *Conn) fail(err error) {
	c.protocol.Fail(err)
	c.shut()
}

// shut closes the transport and wakes everything that waits for the connection.
// It is safe for concurrent use after the protocol has recorded an error.
func (c *Conn) shut() {
	if c.closed.Swap(true) {
		if c.transport.handlers() {
			<-c.done // the handler may return after this
		}
		return
	}
	c.clock.stop() // first, because timeouts can fire until then
	c.transport.shut(c.protocol.Closing().Done())
	c.countEnd()
	close(c.done)
	c.readWatch.drop()
	c.writeWatch.drop()
	if c.read.take() {
		c.endRead() // releases the input
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

// failure holds the errors of a connection that has ended.
type failure struct {
	err         error // the result of Close
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

const lostPeer = "the peer has gone without a close frame"

// describe returns an error of the protocol with the wording of this package.
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

// nowClosed returns err as an error that also wraps net.ErrClosed. The caller
// of a write can then test for net.ErrClosed, however the connection ended.
func nowClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return err
	}
	return &chainError{err.Error(), []error{err, net.ErrClosed}}
}

// CloseRecord describes how a connection was closed.
type CloseRecord struct {
	// Sent and Received are the codes of our close frame and of the peer's. 0
	// means that there was no close frame, and [StatusNoStatusRcvd] that the
	// frame had no code.
	Sent, Received StatusCode

	// Reason is the reason in the peer's close frame.
	Reason string

	// PeerFirst reports whether the peer's close frame arrived before ours was
	// sent.
	PeerFirst bool

	// Clean reports whether both close frames were exchanged.
	Clean bool

	// Duration is how long the connection was open after the handshake. It is 0
	// while the connection is open, and if the options have neither Stats nor
	// Hooks.
	Duration time.Duration

	// Err is the error that ended the connection: a [CloseError] after a close
	// frame of the peer, and nil while the connection is open.
	Err error
}

// CloseRecord returns how the connection was closed. It is complete when the
// channel of [Conn.Done] is closed.
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
