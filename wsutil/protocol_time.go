package wsutil

import (
	"math"
	"os"
	"time"
)

// Times are durations since a fixed moment, which is the same for all calls on
// a Protocol. The clock must be monotonic: time.Since of any fixed moment
// works.

// LingerTime is how long a driver discards input at the end: see
// [Protocol.Transport].
const LingerTime = time.Second

// Errors with which [Protocol.Tick] ends a connection. errors.Is reports that
// each of them is os.ErrDeadlineExceeded.
var (
	ErrCloseTimeout error = &timeoutError{"the peer did not complete the closing handshake in time"}
	ErrReadIdle     error = &timeoutError{"the peer was silent for longer than ReadIdleTimeout"}
	ErrKeepAlive    error = &timeoutError{"the peer did not answer the keepalive ping in time"}
)

// timeoutError is a [net.Error] that is a timeout. Its text is also the reason
// in the close frame.
type timeoutError struct{ text string }

func (e *timeoutError) Error() string   { return "wsutil: " + e.text }
func (e *timeoutError) Timeout() bool   { return true }
func (e *timeoutError) Temporary() bool { return true }
func (e *timeoutError) Unwrap() error   { return os.ErrDeadlineExceeded }

// times is the state of the timeouts. Silence of the peer is measured by the
// total time that reads have waited, because data that nobody reads may already
// have arrived.
type times struct {
	heard   time.Duration // when the last bytes arrived
	waiting time.Duration // when the waiting read began
	waited  time.Duration // the total time of earlier reads that waited
	silent  time.Duration // total when the last bytes arrived
	asked   time.Duration // total when the ping was sent, or became due
	closeBy time.Duration // when Tick ends the connection, if closes is set
	waits   bool          // a read is waiting
	pinged  bool          // a ping was due, and no byte has arrived since
	owed    bool          // a ping was due and is not sent yet
	closes  bool
}

// total returns the total time that reads have waited until now.
func (t *times) total(now time.Duration) time.Duration {
	if !t.waits {
		return t.waited
	}
	return t.waited + now - t.waiting
}

// Timed reports whether the driver must call [Protocol.Waits] and
// [Protocol.Heard], because ReadIdleTimeout or KeepAlive is set.
func (c *Protocol) Timed() bool { return c.set.readIdle > 0 || c.set.keepAlive > 0 }

// Waits records that a read of the transport begins to wait. Silence of the
// peer counts from this call until [Protocol.Heard]. If a read is only
// interrupted because something is due, the driver calls Tick and reads again,
// without Heard.
func (c *Protocol) Waits(now time.Duration) {
	if t := c.time; t != nil && !t.waits {
		t.waits, t.waiting = true, now
	}
}

// Heard records that a read of the transport has ended with n bytes. Any byte
// shows that the peer is alive.
func (c *Protocol) Heard(now time.Duration, n int) {
	t := c.time
	if t == nil {
		return
	}
	t.waited, t.waits = t.total(now), false
	if n > 0 {
		t.heard, t.silent, t.pinged = now, t.waited, false
	}
}

// PingSent records that the ping requested by [Protocol.Tick] was sent.
func (c *Protocol) PingSent(now time.Duration) {
	if t := c.time; t != nil {
		t.owed, t.asked = false, t.total(now)
	}
}

// CloseTimeout returns the CloseTimeout of the [Config], or its default.
func (c *Protocol) CloseTimeout() time.Duration { return c.set.closeTimeout }

// CloseBy makes [Protocol.Tick] end the connection at the given time, unless it
// ends earlier. If CloseBy is called several times, the earliest time counts.
func (c *Protocol) CloseBy(at time.Duration) {
	if c.time == nil {
		c.time = new(times)
	}
	if t := c.time; !t.closes || at < t.closeBy {
		t.closes, t.closeBy = true, at
	}
}

// untimed reports whether the connection is closing and CloseBy was not called
// yet.
func (c *Protocol) untimed() bool {
	return (c.time == nil || !c.time.closes) && c.set.closeTimeout != math.MaxInt64 &&
		c.Status().Phase == PhaseClosing
}

// after returns t+d, or the latest possible time if that overflows.
func after(t, d time.Duration) time.Duration { return t + min(d, math.MaxInt64-max(t, 0)) }

// stuckPing multiplies the time for which the peer may stay silent while a
// keepalive ping cannot be sent. The peer may only be slow to read the frame
// before the ping.
const stuckPing = 10

// patience returns how long the peer may stay silent after a ping.
func (c *Protocol) patience() time.Duration {
	if c.time.owed {
		d := after(c.set.keepAlive, c.set.keepAliveTimeout)
		return stuckPing * min(d, math.MaxInt64/stuckPing)
	}
	return c.set.keepAliveTimeout
}

// Deadline returns the next time at which [Protocol.Tick] has something to do.
// ok is false if nothing will become due. The result is valid until the next
// call of the time part, or until a close frame, a fault or Fail changes the
// Status. If the connection is closing and has no time limit yet, Deadline
// returns 0, and the next Tick sets the limit.
func (c *Protocol) Deadline() (at time.Duration, ok bool) {
	if c.untimed() {
		return 0, true
	}
	t := c.time
	if t == nil {
		return 0, false
	}
	earlier := func(due time.Duration) {
		if !ok || due < at {
			at, ok = due, true
		}
	}
	if t.closes {
		earlier(t.closeBy)
	}
	if c.set.readIdle > 0 && t.waits {
		earlier(after(t.waiting-(t.waited-t.silent), c.set.readIdle))
	}
	switch {
	case c.set.keepAlive == 0 || c.Err() != nil:
	case !t.pinged:
		earlier(after(t.heard, c.set.keepAlive))
	case t.waits:
		earlier(after(t.waiting-(t.waited-t.asked), c.patience()))
	}
	return at, ok
}

// Due is the result of [Protocol.Tick].
type Due struct {
	// Ping reports that a ping is due: send one, and call [Protocol.PingSent].
	// Until then Tick does not request another ping. It requests none after our
	// close frame.
	Ping bool

	// Err is ErrCloseTimeout, ErrReadIdle or ErrKeepAlive if a timeout has
	// expired, and nil otherwise. The driver passes it to [Protocol.Fail],
	// sends the close frame of [Protocol.AppendCloseFor] if it can do so
	// without waiting, and closes the transport.
	Err error
}

// Tick returns what is due at the given time.
func (c *Protocol) Tick(now time.Duration) (due Due) {
	if c.untimed() {
		c.CloseBy(after(now, c.set.closeTimeout))
	}
	t := c.time
	if t == nil {
		return due
	}
	switch {
	case t.closes && t.closeBy <= now:
		due.Err = ErrCloseTimeout
		return due
	case c.set.readIdle > 0 && t.waits && t.total(now)-t.silent >= c.set.readIdle:
		due.Err = ErrReadIdle
		return due
	case c.set.keepAlive == 0 || c.Err() != nil:
	case t.pinged:
		if t.waits && t.total(now)-t.asked >= c.patience() {
			due.Err = ErrKeepAlive
		}
	case now-t.heard >= c.set.keepAlive:
		open := c.closing.Load() == 0 // our close frame already asks the peer for an answer
		due.Ping = open && !t.owed
		t.pinged, t.owed, t.asked = true, open, t.total(now)
	}
	return due
}
