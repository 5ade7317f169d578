package wsutil

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/ws"
)

// Closing is the state of the closing handshake (RFC 6455, section 7.1).
type Closing struct {
	// Sent and Received are the codes of our close frame and of the peer's.
	// They are 0 before the frame, and ws.StatusNoStatusRcvd for a frame
	// without a code.
	Sent, Received ws.StatusCode

	PeerFirst bool // the peer's close frame arrived before ours was made
}

// Done reports whether both sides have sent a close frame.
func (s Closing) Done() bool { return s.Sent != 0 && s.Received != 0 }

// Closing returns the state of the closing handshake.
func (c *Protocol) Closing() Closing {
	s := c.closing.Load()
	return Closing{Sent: sentIn(s), Received: receivedIn(s), PeerFirst: s&peerFirst != 0}
}

// replyDue is [Protocol.ReplyDue] for a connection that has ended with err, or
// is open if err is nil.
func (s Closing) replyDue(err error) bool {
	return s.Sent == 0 && (s.Received != 0 || isFault(err))
}

// ending holds the error that ended a connection.
type ending struct{ err error }

// Fail ends the connection with err, unless it has already ended. It returns
// the error that has ended the connection, which is also the result of
// [Protocol.Err] from then on. A driver calls Fail for errors of its transport
// and for actions of its user. The Protocol itself ends the connection for the
// peer's close frame, for faults of the peer, and in [Protocol.EOF]. Data
// received before Fail can still be read.
func (c *Protocol) Fail(err error) error {
	if c.ended.Load() == nil {
		c.ended.CompareAndSwap(nil, &ending{err})
	}
	return c.Err()
}

// Err returns the error that ended the connection: a [ClosedError] after the
// peer's close frame, a *[ws.ProtocolError] if the peer broke a rule, or the
// error passed to Fail. It is nil while the connection is open, and also after
// our close frame until the peer's arrives.
func (c *Protocol) Err() error {
	if e := c.ended.Load(); e != nil {
		return e.err
	}
	return nil
}

// Phase is the phase of a connection.
type Phase uint8

// The phases of a connection, in order.
const (
	PhaseOpen    Phase = iota // both sides may send
	PhaseClosing              // a close frame was sent or received, or is due to be sent
	PhaseOver                 // nothing may be sent, and incoming data is ignored
)

// Status is the state of a connection at one moment.
type Status struct {
	Closing
	Phase Phase
	Err   error // see [Protocol.Err]
}

// Status returns the state of the connection.
func (c *Protocol) Status() Status {
	s := Status{Err: c.Err(), Closing: c.Closing()}
	switch {
	case s.Done(), s.Err != nil && !s.replyDue(s.Err):
		s.Phase = PhaseOver
	case s.Err != nil, s.Sent != 0, s.Received != 0:
		s.Phase = PhaseClosing
	}
	return s
}

// ReplyDue reports whether a close frame must still be sent to tell the peer
// how the connection has ended. [Protocol.AppendCloseFor] with the result of
// [Protocol.Err] appends it.
func (c *Protocol) ReplyDue() bool { return c.Closing().replyDue(c.Err()) }

// Action is what a driver must do with its transport.
type Action uint8

// The actions, in the order in which a connection ends.
const (
	Proceed   Action = iota // receive and send: the connection is open, or a reply is due
	HalfClose               // shut down sending, then discard input
	DropInput               // receive and discard until the peer ends its side
	Shut                    // close the transport
)

// Transport returns what a driver must do with its transport now. unread
// reports whether input has arrived that the Protocol has not consumed.
// halfCloses reports whether the transport can end sending and still receive,
// as TCP and TLS can.
//
// The server closes the transport first (RFC 6455, section 7.1.1). Closing a
// TCP socket with unread input resets the connection, and the peer may lose the
// last bytes sent. The driver therefore receives and discards input after a
// close frame or a fault, for the time that [Protocol.Linger] returns: see
// [Protocol.CloseBy].
func (c *Protocol) Transport(unread, halfCloses bool) Action {
	err := c.Err()
	switch s := c.Closing(); {
	case err == nil, s.replyDue(err):
		return Proceed
	case s.Done() && c.state.ClientSide():
		return DropInput
	case s.Done() && !unread:
		return Shut
	case !s.Done() && (s.Sent == 0 || !isFault(err)):
		return Shut
	case halfCloses:
		return HalfClose
	}
	return DropInput
}

// Linger returns the maximum time for which a driver discards input. It is
// LingerTime if the close frames were exchanged or the transport is
// half-closed. Otherwise it is a tenth of that, because the peer cannot know
// that nothing more comes.
func (c *Protocol) Linger(halfClosed bool) time.Duration {
	if halfClosed || c.Closing().Done() {
		return LingerTime
	}
	return LingerTime / 10
}

func isFault(err error) bool {
	_, ok := errors.AsType[*ws.ProtocolError](err)
	return ok
}

// closing is the state of the closing handshake in one word, so that each half
// can see what the other has done: the code sent in the low bits, the code
// received above it, and two flags. Each half sets its code once.
type closing struct{ atomic.Uint64 }

const (
	receivedShift = 16
	peerFirst     = 1 << 32 // the peer's close frame arrived before ours
	peerFailed    = 1 << 33 // the peer broke a rule or vanished: its close frame no longer counts
)

func sentIn(s uint64) ws.StatusCode     { return ws.StatusCode(s) }
func receivedIn(s uint64) ws.StatusCode { return ws.StatusCode(s >> receivedShift) }

// receive records the peer's close frame. code is not 0.
func (s *closing) receive(code ws.StatusCode) {
	for {
		old := s.Load()
		now := old | uint64(code)<<receivedShift
		if sentIn(old) == 0 {
			now |= peerFirst
		}
		if s.CompareAndSwap(old, now) { // in one step, because other goroutines may load it at any time
			return
		}
	}
}

// send records our close frame. code is not 0.
func (s *closing) send(code ws.StatusCode) { s.Or(uint64(code)) }

// fail records that the receiving half has ended without a close frame.
func (s *closing) fail() { s.Or(peerFailed) }
