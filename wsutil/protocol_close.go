package wsutil

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/ws"
)

// Closing is how far the closing handshake has come (RFC 6455, section 7.1).
type Closing struct {
	// Sent and Received are the codes of our close frame and of the peer's: 0 until
	// there is one, ws.StatusNoStatusRcvd for a frame without a code.
	Sent, Received ws.StatusCode

	PeerFirst bool // the peer's close frame came before ours was made
}

// Done reports whether both sides have sent a close frame.
func (s Closing) Done() bool { return s.Sent != 0 && s.Received != 0 }

// Closing returns the state of the closing handshake.
func (c *Protocol) Closing() Closing {
	s := c.closing.Load()
	return Closing{Sent: sentIn(s), Received: receivedIn(s), PeerFirst: s&peerFirst != 0}
}

// replyDue is [Protocol.ReplyDue] of a connection that has ended with err, if any.
func (s Closing) replyDue(err error) bool {
	return s.Sent == 0 && (s.Received != 0 || isFault(err))
}

// ending is how a connection has ended.
type ending struct{ err error }

// Fail ends the connection because of err, unless it has ended before. It returns
// the error that has ended it, which [Protocol.Err] returns from then on. A driver
// calls it for errors of its transport and for what its user does; the Protocol
// itself calls it for the peer's close frame, for faults of the peer, and in
// [Protocol.EOF]. What was received before can still be read.
func (c *Protocol) Fail(err error) error {
	if c.ended.Load() == nil {
		c.ended.CompareAndSwap(nil, &ending{err})
	}
	return c.Err()
}

// Err returns the error that has ended the connection: a [ClosedError] after the
// peer's close frame, a *[ws.ProtocolError] if the peer has broken a rule, or what
// Fail was given. It is nil while the connection is open, also while our close
// frame waits for the peer's.
func (c *Protocol) Err() error {
	if e := c.ended.Load(); e != nil {
		return e.err
	}
	return nil
}

// Phase says how far a connection has come.
type Phase uint8

// The phases of a connection, in their order.
const (
	PhaseOpen    Phase = iota // both sides may send
	PhaseClosing              // a close frame was sent or received, or is due
	PhaseOver                 // nothing more may be sent, and nothing that arrives counts
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

// ReplyDue reports whether the peer has to be told how the connection has ended:
// [Protocol.AppendCloseFor] of [Protocol.Err] makes the close frame.
func (c *Protocol) ReplyDue() bool { return c.Closing().replyDue(c.Err()) }

// Action is what a driver does with its transport.
type Action uint8

// The actions, in the order in which a connection ends.
const (
	Proceed   Action = iota // receive and send: the connection is open, or a reply is due
	HalfClose               // end sending, and then drop the input
	DropInput               // receive and drop, until the peer ends its side
	Shut                    // close the transport
)

// Transport returns what a driver does with its transport now. unread says that
// input has arrived which the Protocol has not consumed; halfCloses says that the
// transport can end its sending and still receive, as TCP and TLS can.
//
// The server closes the transport first (RFC 6455, section 7.1.1). But closing a
// TCP socket with unread input resets it, and the peer may then lose what was
// sent last. Therefore input that follows a close frame or a fault is received and
// dropped, for as long as [Protocol.Linger] says: see [Protocol.CloseBy].
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

// Linger returns for how long input is dropped at most, LingerTime. It is the tenth
// part of that if the peer does not learn that nothing more comes, since there were
// not two close frames and the transport did not half-close.
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

// closing is the closing handshake in one word, so that one half can ask what
// the other has done: the code sent, above it the code received, and two bits.
// Each code is set once, by its half.
type closing struct{ atomic.Uint64 }

const (
	receivedShift = 16
	peerFirst     = 1 << 32 // the peer's close frame came before ours
	peerFailed    = 1 << 33 // the peer broke a rule or vanished: no close frame of its will count
)

func sentIn(s uint64) ws.StatusCode     { return ws.StatusCode(s) }
func receivedIn(s uint64) ws.StatusCode { return ws.StatusCode(s >> receivedShift) }

// receive notes the peer's close frame. Code is not 0.
func (s *closing) receive(code ws.StatusCode) {
	for {
		old := s.Load()
		now := old | uint64(code)<<receivedShift
		if sentIn(old) == 0 {
			now |= peerFirst
		}
		if s.CompareAndSwap(old, now) { // in one step: others may look at any time
			return
		}
	}
}

// send notes our close frame. Code is not 0.
func (s *closing) send(code ws.StatusCode) { s.Or(uint64(code)) }

// fail notes that the receiving half has ended without a close frame.
func (s *closing) fail() { s.Or(peerFailed) }
