package websocket

import "errors"

// CloseRecord is how a connection was closed, as far as it is.
type CloseRecord struct {
	// Sent and Received are the codes of our close frame and of the peer's: 0 if there
	// was none, [StatusNoStatusRcvd] for one without a code.
	Sent, Received StatusCode

	// Reason is the reason in the peer's close frame.
	Reason string

	// PeerFirst says that the peer's close frame came before ours was sent.
	PeerFirst bool

	// Clean says that both close frames are there.
	Clean bool

	// Err is what ended the connection: a [CloseError] after a close frame of the
	// peer's, nil while it is open.
	Err error
}

// CloseRecord returns how the connection was closed. It is complete once [Conn.Done] is.
func (c *Conn) CloseRecord() CloseRecord {
	closing := c.protocol.Closing()
	r := CloseRecord{
		Sent:      StatusCode(closing.Sent),
		Received:  StatusCode(closing.Received),
		PeerFirst: closing.PeerFirst,
		Clean:     closing.Done(),
	}
	if f := c.failure.Load(); f != nil {
		r.Err = f.err
		if e, ok := errors.AsType[CloseError](f.err); ok {
			r.Reason = e.Reason
		}
	}
	return r
}
