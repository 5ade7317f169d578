package websocket

import (
	"iter"
	"time"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Stats counts events on one connection, or on all connections that share it in
// their options. It is safe for concurrent use. It must not be copied.
//
// Refused and AllRefused count handshakes by the HTTP status that [Accept] sent
// or [Dial] received. Handshakes are measured from the call of Accept or Dial.
// Connections of package wsloop use the embedded Stats.
type Stats struct{ wsutil.Stats }

// Durations counts durations: see [wsutil.Durations].
type Durations = wsutil.Durations

// ClosesRead returns the number of close frames received with code.
func (s *Stats) ClosesRead(code StatusCode) int64 { return s.Stats.ClosesRead(ws.StatusCode(code)) }

// ClosesWritten returns the number of close frames sent with code.
func (s *Stats) ClosesWritten(code StatusCode) int64 {
	return s.Stats.ClosesWritten(ws.StatusCode(code))
}

// AllClosesRead yields the codes of received close frames, in ascending order,
// with the number of times that each was received. A frame without a code
// counts as [StatusNoStatusRcvd].
func (s *Stats) AllClosesRead() iter.Seq2[StatusCode, int64] { return ofCodes(s.Stats.AllClosesRead()) }

// AllClosesWritten yields the codes of sent close frames in the same way as
// [Stats.AllClosesRead].
func (s *Stats) AllClosesWritten() iter.Seq2[StatusCode, int64] {
	return ofCodes(s.Stats.AllClosesWritten())
}

func ofCodes(counts iter.Seq2[ws.StatusCode, int64]) iter.Seq2[StatusCode, int64] {
	return func(yield func(StatusCode, int64) bool) {
		counts(func(code ws.StatusCode, n int64) bool { return yield(StatusCode(code), n) })
	}
}

// Stats returns the Stats of the connection's options, or nil.
func (c *Conn) Stats() *Stats { return c.opts.Stats }

// Hooks are functions that a connection calls for its events. The goroutine
// that reads or writes calls them and waits for them. Each may be nil. A hook
// may use the connection, but not read from it. A hook about writing must not
// write to it either, and may close it only with [Conn.CloseNow]. A panic of a
// hook continues in the caller of the method that called the hook. On a
// goroutine of this package, the panic ends the connection: see [PanicError]. A
// panic of a hook about writing ends the connection in any case. Any number of
// connections may share one Hooks.
type Hooks struct {
	// Opened is called once when the connection is open, with the duration of
	// the handshake, which is 0 for [NewConn]. [Accept], [Dial] and NewConn
	// wait for it. It may use the connection without restrictions. If it
	// panics, the connection is closed, and the panic continues in the caller
	// of Accept, Dial or NewConn.
	Opened func(c *Conn, handshake time.Duration)

	// MessageRead and MessageWritten are called for a whole message. size is
	// its size in bytes as the program sees it, and wire its payload size on
	// the wire.
	MessageRead, MessageWritten func(c *Conn, typ MessageType, size, wire int)

	// ControlRead and ControlWritten are called for a ping, pong or close
	// frame. code is the code of a close frame.
	ControlRead, ControlWritten func(c *Conn, op ws.OpCode, code StatusCode)

	// Drained is called each time the queue of [Conn.Send] becomes empty
	// because all its messages were written. It is called on a new goroutine
	// without any lock held. It may write and send. The next call may begin
	// before it returns.
	Drained func(c *Conn)

	// Closed is called once when the connection is closed.
	Closed func(c *Conn, r CloseRecord)

	// Panicked is called after a callback or hook has panicked on a goroutine
	// of this package. The connection is then closed.
	Panicked func(c *Conn, err *PanicError)
}

// observed reports whether the connection has Stats or Hooks.
func (c *Conn) observed() bool { return c.opts.Stats != nil || c.opts.Hooks != nil }

// countRead reports a message, of which ev is the last event, to Stats and
// Hooks. An error means that the read lock was taken over.
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

// countWritten reports a sent message to Stats and Hooks.
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

// tellControl reports a control frame of the peer to Stats and Hooks. It
// returns false if the read lock was taken over.
func (c *Conn) tellControl(ev wsutil.Event) bool {
	return c.countControl(ev.OpCode, false, StatusCode(c.protocol.Closing().Received))
}

// countControl reports a control frame to Stats and Hooks. It returns false if
// the frame came from the peer and the read lock was taken over.
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
