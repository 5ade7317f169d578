package wsutil

import (
	"sync/atomic"

	"github.com/wskit/wskit/ws"
)

// Closing is how far the closing handshake has come (RFC 6455, section 7.1).
type Closing struct {
	// Sent and Received are the codes of our close frame and of the peer's: 0 as long
	// as there is none, ws.StatusNoStatusRcvd for a frame without a code.
	Sent, Received ws.StatusCode

	PeerFirst bool // the peer's close frame came before ours was made
}

// Done reports whether both close frames are there. The server then closes the
// TCP connection, and the client waits for that (RFC 6455, section 7.1.1).
func (s Closing) Done() bool { return s.Sent != 0 && s.Received != 0 }

// Closing returns the state of the closing handshake. It may be called at any time,
// by any goroutine.
func (c *Protocol) Closing() Closing {
	s := c.closing.Load()
	return Closing{Sent: sentIn(s), Received: receivedIn(s), PeerFirst: s&peerFirst != 0}
}

// closing is the closing handshake in one word, so that one half can ask what
// the other has done: the code sent, above it the code received, and two bits. Each
// code is set once, by its half.
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
		if s.CompareAndSwap(old, now) { // in one step, for who looks on
			return
		}
	}
}

// send notes our close frame. Code is not 0.
func (s *closing) send(code ws.StatusCode) { s.Or(uint64(code)) }

// fail notes that the receiving half has ended without a close frame.
func (s *closing) fail() { s.Or(peerFailed) }
