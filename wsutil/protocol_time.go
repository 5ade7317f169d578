package wsutil

import (
	"math"
	"os"
	"time"
)

// Times are measured from any fixed moment, the same one for all calls on a
// Protocol, by a clock that does not go back: time.Since of that moment will do.

// LingerTime is how long a driver drops input at the end: see
// [Protocol.Transport].
const LingerTime = time.Second

// What [Protocol.Tick] ends a connection with. Each is a timeout as errors.Is
// with os.ErrDeadlineExceeded sees it.
var (
	ErrCloseTimeout error = &timeoutError{"the peer did not complete the closing handshake in time"}
	ErrReadIdle     error = &timeoutError{"the peer was silent for longer than ReadIdleTimeout"}
	ErrKeepAlive    error = &timeoutError{"the peer did not answer the keepalive ping in time"}
)

// timeoutError is a [net.Error] whose time has run out. Its text is also the reason
// of the close frame.
type timeoutError struct{ text string }

func (e *timeoutError) Error() string   { return "wsutil: " + e.text }
func (e *timeoutError) Timeout() bool   { return true }
func (e *timeoutError) Temporary() bool { return true }
func (e *timeoutError) Unwrap() error   { return os.ErrDeadlineExceeded }

// times is the state of what time makes due. Silence is counted by
// the time for which reads have waited: while nobody reads, nobody knows what the
// peer has sent.
type times struct {
	heard   time.Duration // when the last bytes arrived
	waiting time.Duration // since when a read has waited
	waited  time.Duration // for how long reads had waited before, all in all
	silent  time.Duration // what that was when the last bytes arrived
	asked   time.Duration // what that was when the ping was sent, or became due
	closeBy time.Duration // when the connection has to be over, if closes is set
	waits   bool          // a read waits
	pinged  bool          // a ping was due, and no byte has arrived since
	owed    bool          // a ping was due and is not sent yet
	closes  bool
}

// total returns for how long reads have waited at the given time.
func (t *times) total(now time.Duration) time.Duration {
	if !t.waits {
		return t.waited
	}
	return t.waited + now - t.waiting
}

// Timed reports whether [Protocol.Waits] and [Protocol.Heard] have to be called:
// ReadIdleTimeout or KeepAlive is set.
func (c *Protocol) Timed() bool { return c.set.readIdle > 0 || c.set.keepAlive > 0 }

// Waits says that a read of the transport begins to wait. Silence of the peer
// counts from here to [Protocol.Heard]. A read that only ended because something
// was due has not ended for this purpose: a driver calls Tick, and reads on.
func (c *Protocol) Waits(now time.Duration) {
	if t := c.time; t != nil && !t.waits {
		t.waits, t.waiting = true, now
	}
}

// Heard says that a read of the transport has ended with n bytes. Any byte is a
// sign of life.
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

// PingSent says that a ping which [Protocol.Tick] has asked for was sent.
func (c *Protocol) PingSent(now time.Duration) {
	if t := c.time; t != nil {
		t.owed, t.asked = false, t.total(now)
	}
}

// CloseTimeout returns the CloseTimeout of the [Config], with the default
// applied.
func (c *Protocol) CloseTimeout() time.Duration { return c.set.closeTimeout }

// CloseBy makes [Protocol.Tick] end the connection at the given time, unless
// something else ends it before. Of several times the earliest counts.
func (c *Protocol) CloseBy(at time.Duration) {
	if c.time == nil {
		c.time = new(times)
	}
	if t := c.time; !t.closes || at < t.closeBy {
		t.closes, t.closeBy = true, at
	}
}

// untimed reports whether the connection is closing and has no time for that yet.
func (c *Protocol) untimed() bool {
	return (c.time == nil || !c.time.closes) && c.set.closeTimeout != math.MaxInt64 &&
		c.Status().Phase == PhaseClosing
}

// after returns the time d after t, or the end of time.
func after(t, d time.Duration) time.Duration { return t + min(d, math.MaxInt64-max(t, 0)) }

// stuckPing is how many times longer the peer may stay silent while a keepalive
// ping cannot be sent, because a frame in front of it is taken slowly.
const stuckPing = 10

// patience returns how long the peer may stay silent after a ping.
func (c *Protocol) patience() time.Duration {
	if c.time.owed {
		d := after(c.set.keepAlive, c.set.keepAliveTimeout)
		return stuckPing * min(d, math.MaxInt64/stuckPing)
	}
	return c.set.keepAliveTimeout
}

// Deadline returns the next time at which [Protocol.Tick] has something to do. ok
// is false if nothing is due, however much time passes. The answer holds until the
// next call of this part, or until a close frame, a fault or Fail changes the
// Status. If the connection is closing and no time is set for that, the next Tick
// sets it, and Deadline returns 0.
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

// Due is what [Protocol.Tick] has found to be due.
type Due struct {
	// Ping says that a ping is due: send one, and call [Protocol.PingSent]. Tick
	// does not ask for another one before that, nor for any after our close frame.
	Ping bool

	// Err is not nil if the time for something has run out: ErrCloseTimeout,
	// ErrReadIdle or ErrKeepAlive. The driver calls [Protocol.Fail] with it, sends
	// the close frame of [Protocol.AppendCloseFor] if it need not wait for that,
	// and closes the transport.
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
		open := c.closing.Load() == 0 // our close frame has asked the peer for an answer
		due.Ping = open && !t.owed
		t.pinged, t.owed, t.asked = true, open, t.total(now)
	}
	return due
}
