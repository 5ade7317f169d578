package websocket

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Close performs the closing handshake (RFC 6455, section 7.1.2): it sends a close frame at
// once, also between the frames of a message that others write, waits for the peer's, and
// closes the transport. All of it takes CloseTimeout at most: then the transport is closed
// without more ado. It returns nil if both close frames are there, whoever was first.
//
// It may be called by anyone, at any time and several times: later calls wait for the
// first one, whose code and reason count. A read under way returns messages until the
// peer's close frame is there; if there is none under way, Close reads itself, and what
// arrives is dropped. Reads that begin afterwards return how the connection ended.
//
// A callback about reading, one for pings or pongs or a hook, may call Close, too, which
// cannot wait there for the read that has called the callback: it returns
// [ErrClosePending] once the frame is sent, and that read goes on to the end of the
// handshake. A callback must not wait for a Close of another goroutine: the time would run
// out.
//
// Closing a transport that has no deadlines may not end its reads and writes. Close does
// not wait for those once the time is over, and neither does CloseNow: the goroutine of a
// read or a write that is stuck there stays until the transport lets it go.
//
// With code 0 or [StatusNoStatusRcvd] the frame has no code. Other codes that may not be sent
// are an error that leaves the connection as it was. A reason of more than 123 bytes is
// cut.
func (c *Conn) Close(code StatusCode, reason string) error {
	wire, ok := code.wire()
	if !ok {
		return &opError{"close", fmt.Errorf("a close frame may not carry %v", code)}
	}
	until := now() + int64(c.opts.closeTimeout())
	err := c.handshake(wire, reason)
	c.awaitCloseRead(until)
	return err
}

// CloseNow closes the transport without a handshake: the peer does not learn why, and
// may lose what was sent last. It does nothing if the connection is closed already, so
// that it can be deferred, and always returns nil.
func (c *Conn) CloseNow() error {
	until := now() + int64(c.opts.closeTimeout())
	c.fail(failure{err: errClosed, drop: true})
	c.awaitCloseRead(until)
	return nil
}

// handshake is Close with a code that may be sent.
func (c *Conn) handshake(code ws.StatusCode, reason string) error {
	c.limitClosing(c.opts.closeTimeout())
	c.aside(func() { c.sendClose(context.Background(), code, reason) })
	if !c.calledBack() {
		c.awaitPeer()
	}
	switch f := c.failure.Load(); {
	case c.protocol.Closing().Done():
		return nil
	case f != nil:
		return &opError{"close", f.err}
	}
	return ErrClosePending
}

// handshakeUnder is handshake for no longer than ctx lasts: then the transport is closed.
func (c *Conn) handshakeUnder(ctx context.Context, code ws.StatusCode, reason string) {
	defer context.AfterFunc(ctx, func() { c.fail(failure{err: contextError(ctx, withinClosing)}) })()
	c.handshake(code, reason)
}

// aside calls f, and returns at the latest when the connection is closed: closing a transport
// without deadlines may not end what f does with it.
func (c *Conn) aside(f func()) {
	if _, ok := c.transport.ReadWriteCloser.(readDeadliner); ok {
		f()
		return
	}
	ended := make(chan any, 1)
	go func() {
		defer func() { ended <- recover() }()
		f()
	}()
	select {
	case p := <-ended:
		if p != nil { // a callback's, which is for the caller
			panic(p)
		}
	case <-c.done:
	}
}

// limitClosing has the connection closed at the latest after d.
func (c *Conn) limitClosing(d time.Duration) {
	c.setClockEarlier(clockClose, now()+int64(d))
}

// sendClose sends a close frame, unless there was one already.
func (c *Conn) sendClose(ctx context.Context, code ws.StatusCode, reason string) {
	if !c.turn.tryLock(forControl) && !c.turn.lock(ctx, forControl, c.done) {
		return
	}
	c.writeClose(ctx, code, reason)
	c.unlock(0, 0)
}

// writeClose is sendClose with the turn to write held. It does nothing where nothing can
// get through any more: the transport is closed, or what was written last may have been
// cut within a frame.
func (c *Conn) writeClose(ctx context.Context, code ws.StatusCode, reason string) {
	if c.closed.Load() || c.broken.Load() != nil {
		return
	}
	b := newBuffer(minBuffer)
	defer b.free()
	if out, err := c.protocol.AppendClose(b.b, code, reason); err == nil && c.transmit(ctx, out, spoiled) == nil {
		c.countControl(ws.OpClose, true, StatusCode(code))
	}
}

// awaitPeer returns when the connection is closed. It reads if nobody else does.
func (c *Conn) awaitPeer() {
	for {
		free := c.wantReader()
		if c.reader.state.CompareAndSwap(readerFree, readerCloses) {
			c.aside(c.readToClose)
			<-c.done // who has found out first closes, which may take a while
		}
		select {
		case <-c.done:
			return
		case <-free:
		}
	}
}

// wantReader returns the channel that tells when the turn to read is free.
func (c *Conn) wantReader() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reader.free == nil {
		c.reader.free = make(chan struct{}, 1)
	}
	c.reader.wanted.Store(true)
	return c.reader.free
}

// readToClose reads until the connection ends, and drops the messages.
func (c *Conn) readToClose() {
	c.stream = nil
	c.protocol.SetMaxMessage(-1)
	for {
		if _, err := c.next(context.Background()); err != nil {
			c.endRead()
			return
		}
	}
}

// peerClosed ends the connection after the peer's close frame: it is answered with the same
// code and reason, unless it is the answer. The server closes the transport first (RFC 6455, section 7.1.1).
func (c *Conn) peerClosed(ctx context.Context, ev wsutil.Event) error {
	code, reason, _ := ws.ParseCloseBody(ev.Payload)
	f := c.conclude(failure{err: CloseError{StatusCode(code), reason}})
	c.half = false
	c.limitClosing(c.opts.closeTimeout())
	c.sendClose(ctx, wsutil.CloseCode(wsutil.ClosedError{Code: code}), reason)
	if c.client || len(c.in) > 0 {
		c.linger(ctx, lingerTime)
	}
	c.shut()
	return f.read
}

// peerFault ends the connection after err, which the peer is to blame for and is told
// of (RFC 6455, section 7.1.7).
func (c *Conn) peerFault(ctx context.Context, err error) error {
	mine := &failure{err: describe(err), drop: true}
	f := c.conclude(*mine)
	c.protocol.EOF()
	c.half = false
	if f.err != mine.err {
		return f.read
	}
	c.limitClosing(c.opts.closeTimeout())
	code, reason := wsutil.CloseCode(err), ""
	if fault, ok := errors.AsType[*ws.ProtocolError](err); ok {
		reason = fault.Reason
	}
	c.sendClose(ctx, code, reason)
	if c.endWriting() {
		c.linger(ctx, lingerTime)
	} else {
		c.linger(ctx, lingerTime/10)
	}
	c.shut()
	return f.read
}

// describe returns err as the reads report it.
func describe(err error) error {
	if wsutil.CloseCode(err) == ws.StatusMessageTooBig && !errors.Is(err, wsutil.ErrTooManyFragments) {
		return &chainError{"the message is longer than the read limit", []error{ErrMessageTooBig, err}}
	}
	return err
}

// endWriting tells the peer that nothing more comes, so that it closes its side, and reports
// whether the transport could.
func (c *Conn) endWriting() bool {
	t, ok := c.transport.ReadWriteCloser.(writeCloser)
	if !ok || !c.turn.tryLock(forControl) {
		return false
	}
	err := t.CloseWrite()
	c.unlock(0, 0)
	return err == nil
}

// lingerTime is how long what the peer still sends is read and dropped, once all is said. To
// close a socket with bytes unread makes the peer lose what it has not read yet.
const lingerTime = time.Second

// linger reads until the peer has closed its side, for d at most.
func (c *Conn) linger(ctx context.Context, d time.Duration) {
	c.limitClosing(d)
	watched := ctx.Done() != nil
	if watched {
		c.readWatch.begin(ctx, c, false)
	}
	b := newBuffer(inputSize)
	for {
		if _, err := readSome(c.transport.ReadWriteCloser, b.all()); err != nil {
			break
		}
	}
	b.free()
	if watched {
		c.readWatch.finish()
	}
}

// giveUp ends the connection because of err, a silence of the peer. It tells the peer if that
// does not take long.
func (c *Conn) giveUp(err error) {
	c.conclude(failure{err: err})
	c.limitClosing(lingerTime)
	if c.turn.tryLock(forControl) {
		c.writeClose(context.Background(), ws.StatusPolicyViolation, err.Error())
		c.unlock(0, 0)
	}
	c.shut()
}
