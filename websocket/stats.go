package websocket

import (
	"iter"
	"time"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Stats are counters of one connection, or of all that have it in their options. They can
// be read at any time. A Stats must not be copied.
//
// Refused and AllRefused are about the handshakes that [Accept] has answered with that HTTP
// status, or the server of a [Dial]. Handshakes counts from the call of Accept or Dial on.
// Connections of package wsloop count in the embedded Stats.
type Stats struct{ wsutil.Stats }

// Durations counts durations: see [wsutil.Durations].
type Durations = wsutil.Durations

// ClosesRead returns how many close frames came with code.
func (s *Stats) ClosesRead(code StatusCode) int64 { return s.Stats.ClosesRead(ws.StatusCode(code)) }

// ClosesWritten returns how many close frames with code were sent.
func (s *Stats) ClosesWritten(code StatusCode) int64 {
	return s.Stats.ClosesWritten(ws.StatusCode(code))
}

// AllClosesRead yields the codes of the close frames that came, in ascending order, and how
// often each did. A frame without a code has [StatusNoStatusRcvd].
func (s *Stats) AllClosesRead() iter.Seq2[StatusCode, int64] { return ofCodes(s.Stats.AllClosesRead()) }

// AllClosesWritten yields the codes of the close frames that were sent, as
// [Stats.AllClosesRead] does.
func (s *Stats) AllClosesWritten() iter.Seq2[StatusCode, int64] {
	return ofCodes(s.Stats.AllClosesWritten())
}

func ofCodes(counts iter.Seq2[ws.StatusCode, int64]) iter.Seq2[StatusCode, int64] {
	return func(yield func(StatusCode, int64) bool) {
		counts(func(code ws.StatusCode, n int64) bool { return yield(StatusCode(code), n) })
	}
}

// Stats returns the counters of the options the connection was made with, or nil.
func (c *Conn) Stats() *Stats { return c.opts.Stats }

// Hooks are functions that are called as things happen, by the goroutine that reads or
// writes, which waits for them. Each may be nil. They may use the connection, but not read
// from it. Hooks about writing may not write to it either: they close it with
// [Conn.CloseNow]. A panic goes on to the caller of the method that called the hook; on a
// goroutine of this package it ends there, see [PanicError]. A panic of a hook about
// writing ends the connection. One Hooks may serve any number of connections.
type Hooks struct {
	// Opened is called once, when the connection is open, with the time that the
	// handshake took, 0 for [NewConn]. [Accept], [Dial] and NewConn wait for it. It may use
	// the connection in every way. If it panics, the connection is closed, and the
	// panic goes on to their caller.
	Opened func(c *Conn, handshake time.Duration)

	// MessageRead and MessageWritten tell of a whole message: its bytes as the program
	// sees them, and as payload on the wire.
	MessageRead, MessageWritten func(c *Conn, typ MessageType, size, wire int)

	// ControlRead and ControlWritten tell of a ping, pong or close frame, the latter
	// with its code.
	ControlRead, ControlWritten func(c *Conn, op ws.OpCode, code StatusCode)

	// Drained tells that all messages of [Conn.Send] are written: once each time that the
	// queue becomes empty, and only after something was queued. It is called without a
	// lock, on a goroutine of its own: it may write and send, and the next one may be
	// called before it returns.
	Drained func(c *Conn)

	// Closed is called once, when the connection is closed.
	Closed func(c *Conn, r CloseRecord)

	// Panicked tells that a callback or hook has panicked on a goroutine of this
	// package. The connection is closed then.
	Panicked func(c *Conn, err *PanicError)
}

// observed reports whether somebody counts or looks on.
func (c *Conn) observed() bool { return c.opts.Stats != nil || c.opts.Hooks != nil }

// countRead tells of a message of which ev is the last event. The error says that the
// read lock was taken over meanwhile.
func (c *Conn) countRead(ev wsutil.Event, size int) error {
	if !c.observed() {
		return nil
	}
	wire := size
	if ev.Compressed() {
		wire = int(c.protocol.WireSize())
	}
	if s := c.opts.Stats; s != nil {
		s.CountRead(size, wire)
	}
	if h := c.opts.Hooks; h != nil && h.MessageRead != nil {
		if !c.call(func() { h.MessageRead(c, MessageType(ev.OpCode), size, wire) }) {
			return errTakenOver
		}
	}
	return nil
}

// countWritten tells of a message that was sent.
func (c *Conn) countWritten(m *wsutil.Outgoing) {
	if c.observed() {
		c.tellWritten(m.OpCode(), m.Size(), m.WireSize())
	}
}

func (c *Conn) tellWritten(op ws.OpCode, size, wire int) {
	if s := c.opts.Stats; s != nil {
		s.CountWritten(size, wire)
	}
	if h := c.opts.Hooks; h != nil && h.MessageWritten != nil {
		c.callWriting(func() { h.MessageWritten(c, MessageType(op), size, wire) })
	}
}

// tellControl tells of a control frame of the peer. It reports false if the read lock
// was taken over meanwhile.
func (c *Conn) tellControl(ev wsutil.Event) bool {
	return c.countControl(ev.OpCode, false, StatusCode(c.protocol.Closing().Received))
}

// countControl tells of a control frame. It reports false if the frame was the peer's
// and the read lock was taken over meanwhile.
func (c *Conn) countControl(op ws.OpCode, written bool, code StatusCode) bool {
	if s := c.opts.Stats; s != nil {
		s.CountControl(op, written, ws.StatusCode(code))
	}
	h := c.opts.Hooks
	switch {
	case h == nil:
	case written && h.ControlWritten != nil:
		c.callWriting(func() { h.ControlWritten(c, op, code) })
	case !written && h.ControlRead != nil:
		return c.call(func() { h.ControlRead(c, op, code) })
	}
	return true
}
