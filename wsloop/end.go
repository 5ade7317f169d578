package wsloop

import (
	"time"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// settle ends the iteration for a connection: it writes what was sent, checks
// whether the connection is over, and starts or stops reading.
func (l *loop) settle(c *Conn) {
	if c.phase == phaseDead {
		return
	}
	c.mu.Lock()
	c.settles.Store(false)
	drained := !c.broken && c.flush()
	broken := c.broken
	c.mu.Unlock()
	if drained && c.phase == phaseOpen && c.handler.Drain != nil {
		l.guard(c, c.handler.Drain)
	}
	if c.phase == phaseOpen {
		l.advance(c, broken)
	}
	if c.phase == phaseOver {
		l.wind(c)
	}
	if c.phase != phaseDead {
		c.listen()
	}
}

// advance checks whether an open connection is over.
func (l *loop) advance(c *Conn, broken bool) {
	if broken {
		c.protocol.CloseBy(later(l.now, wsutil.LingerTime))
		if c.protocol.Err() == nil { // the peer's close frame may still be read
			return
		}
	} else if c.action() == wsutil.Proceed {
		return
	}
	c.phase = phaseOver
	c.until = later(l.now, c.protocol.CloseTimeout())
	if c.stash != nil {
		c.stash.Free()
		c.stash = nil
		c.flags |= flagUnread
	}
	l.finish(c)
}

// action returns what to do with the transport.
func (c *Conn) action() wsutil.Action {
	return c.protocol.Transport(c.flags&flagUnread != 0 || c.stash != nil, true)
}

// wind advances the end of a connection as far as the transport allows.
func (l *loop) wind(c *Conn) {
	c.mu.Lock()
	left, broken := c.pending(), c.broken
	c.mu.Unlock()
	action := wsutil.HalfClose // after a refusal
	if c.flags&flagRefused == 0 {
		action = c.action()
	}
	switch {
	case broken, c.flags&flagEOF != 0 && left == 0:
		l.release(c)
	case left > 0, c.flags&flagLingers != 0: // wait until the peer reads it or ends, or until the timeout
	case action == wsutil.Shut:
		l.release(c)
	default:
		c.flags |= flagLingers
		halfClosed := action == wsutil.HalfClose && c.halfClose()
		linger := wsutil.LingerTime
		if c.flags&flagRefused == 0 {
			linger = c.protocol.Linger(halfClosed)
		}
		c.until = min(c.until, later(l.now, linger))
	}
}

// halfClose ends sending. It reports whether the peer can observe that.
func (c *Conn) halfClose() bool {
	if c.link != nil {
		return c.link.closeWrite(c)
	}
	return closeWriteDescriptor(int(c.fd)) == nil
}

// ended handles the end of the input before or after the open phase.
func (l *loop) ended(c *Conn) {
	c.mu.Lock()
	left := c.pending()
	c.mu.Unlock()
	if left == 0 || c.phase != phaseOver {
		l.release(c)
	}
}

// closes records that our close frame is due or was sent. From then on,
// messages are dropped.
func (c *Conn) closes() {
	if c.phase != phaseOpen || c.flags&flagClosing != 0 {
		return
	}
	c.flags |= flagClosing
	if t := c.protocol.CloseTimeout(); t < maxTime {
		c.protocol.CloseBy(later(c.loop.now, t))
	}
	c.protocol.Discard()
	c.mu.Lock()
	if c.emptyQueue() {
		c.encodeClose() // even if the transport is blocked: ours must precede the peer's close frame
	}
	c.mu.Unlock()
	if c.stash != nil {
		c.resume() // held input is not needed any more
	}
}

const maxTime = time.Duration(1<<63 - 1)

// endFor makes a close frame due for err, a fault on our side. It may be called
// by any goroutine.
func (c *Conn) endFor(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rarely(); r.cause == nil {
		r.cause = err
	}
	c.startClose(wsutil.CloseReply(err))
}

// fail ends the connection because of err, without a close frame.
func (c *Conn) fail(err error) {
	if c.phase == phaseOpen {
		c.protocol.Fail(err)
	}
}

// release closes the transport, releases all memory, and calls Close if it was
// not called yet. Then the connection is no longer on the loop.
func (l *loop) release(c *Conn) {
	if c.phase == phaseDead {
		return
	}
	c.phase = phaseDead
	c.mu.Lock()
	c.broken = true
	c.dropOutput()
	c.reads, c.blocked = false, false
	if c.flags&flagAttached != 0 {
		c.arm() // a duplicate may keep the file description open
	}
	c.closeTransport()
	if r := c.rare; r != nil && r.head != nil {
		r.head.Free()
		r.head = nil
	}
	c.mu.Unlock()
	if c.stash != nil {
		c.stash.Free()
		c.stash = nil
	}
	if c.flags&flagOpened != 0 {
		c.protocol.EOF()
		c.protocol.Release()
	}
	l.slots[c.id.slot] = nil
	l.free = append(l.free, c.id.slot)
	l.finish(c)
	l.leave(c)
}

// closeTransport closes the transport. mu is held.
func (c *Conn) closeTransport() {
	if c.link != nil {
		c.link.close(c)
	}
	if c.fd >= 0 {
		closeDescriptor(int(c.fd))
		c.fd = -1
	}
}

// leave uncounts a connection after its transport was closed and Close was
// called.
func (l *loop) leave(c *Conn) {
	const opened, over = flagOpened, flagOpened | flagFinished
	if is := c.flags & over; is == opened || c.flags&flagGone != 0 {
		return
	}
	c.flags |= flagGone
	l.conns.Add(-1)
	l.s.released(c)
}

// finish calls Close and the functions of OnEnd, unless a function of Go still
// runs.
func (l *loop) finish(c *Conn) {
	if c.flags&flagOpened == 0 {
		return
	}
	c.mu.Lock()
	if c.held.Load()&heldByGo != 0 {
		c.mu.Unlock()
		return
	}
	f := c.handler.Close
	if c.flags&flagFinished != 0 {
		f = nil
	} else {
		c.countEnd()
	}
	c.flags |= flagFinished
	c.finished = true
	c.roomMade()
	end := c.end()
	c.mu.Unlock()
	if f != nil {
		l.guardClose(c, f, end)
	}
	for f := c.nextEnd(); f != nil; f = c.nextEnd() {
		l.guardClose(c, func(*Conn, End) { f() }, end)
	}
}

// nextEnd removes and returns the next function of OnEnd, or nil.
func (c *Conn) nextEnd() (f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rare; r != nil && len(r.ends) > 0 {
		f, r.ends = r.ends[0].f, r.ends[1:]
	}
	return f
}

// guardClose calls f and recovers its panic.
func (l *loop) guardClose(c *Conn, f func(*Conn, End), end End) {
	returned := false
	defer func() {
		if !returned {
			c.panicked(recover())
			c.askFor(0) // the loop continues with c if this goroutine ends
		}
	}()
	f(c, end)
	returned = true
}

// end returns how the connection ended. mu is held.
func (c *Conn) end() End {
	s := c.protocol.Status()
	e := End{Code: ws.StatusAbnormalClosure, Err: s.Err, PeerFirst: s.PeerFirst}
	if c.rare != nil && c.rare.cause != nil {
		e.Err = c.rare.cause
	}
	closed, byPeer := e.Err.(wsutil.ClosedError)
	switch {
	case s.Sent != 0 && !s.PeerFirst:
		e.Code = s.Sent
	case s.Received != 0:
		e.Code = s.Received
		e.Reason = closed.Reason
	default:
		e.PeerFirst = byPeer || c.flags&flagEOF != 0 && c.closing == 0
	}
	return e
}
