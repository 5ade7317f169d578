package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
)

var (
	// ErrMessageTooBig says that a message of the peer is longer than the read limit:
	// see [Conn.SetReadLimit]. The connection is closed with [StatusMessageTooBig].
	ErrMessageTooBig = errors.New("websocket: message is longer than the read limit")

	// ErrConcurrentRead says that another goroutine reads from the connection, or that
	// [Conn.CloseRead] does. The connection is as usable as before.
	ErrConcurrentRead = errors.New("websocket: another read is under way")

	// ErrClosePending says that a callback has called [Conn.Close]: the close frame is
	// sent, and the read that has called the callback does the rest of the handshake.
	ErrClosePending = errors.New("websocket: close: the handshake ends once the callback has returned")

	// ErrWriterClosed says that the writer of a message was used after it was closed or
	// had failed. The connection is as usable as before.
	ErrWriterClosed = errors.New("websocket: the writer of the message is closed")
)

// What ends a connection, beside the peer, the network and contexts.
var (
	errClosed       = fmt.Errorf("the connection was closed: %w", net.ErrClosed)
	errClosing      = fmt.Errorf("the closing handshake has begun: %w", net.ErrClosed)
	errCloseTimeout = timeoutError("the peer did not take part in the closing handshake", net.ErrClosed)
	errReadIdle     = timeoutError("the peer was silent for longer than ReadIdleTimeout")
	errWriteTimeout = timeoutError("the peer did not take what was written in time")
	errKeepAlive    = timeoutError("the peer did not answer the keepalive ping in time")
	errNoDeadlines  = errors.New("the transport has no deadlines")
	errStale        = errors.New("websocket: read: the next message has been asked for")
	errPanicked     = errors.New("a callback panicked")
)

// timeoutError is one that errors.As finds to be a net.Error whose time has run out.
func timeoutError(text string, also ...error) error {
	return &chainError{text: text, chain: append([]error{os.ErrDeadlineExceeded}, also...)}
}

// chainError is an error that is several others, of which text tells.
type chainError struct {
	text  string
	chain []error
}

func (e *chainError) Error() string   { return e.text }
func (e *chainError) Unwrap() []error { return e.chain }

// contextError says that ctx has ended and what that means for the connection. It wraps
// ctx.Err() and the cause.
func contextError(ctx context.Context, meaning string) error {
	err := ctx.Err()
	chain := []error{err}
	text := err.Error()
	if cause := context.Cause(ctx); cause != err {
		chain = append(chain, cause)
		text += " (" + cause.Error() + ")"
	}
	return &chainError{text + " " + meaning, chain}
}

// What the end of a context means. The tests know these words.
const (
	stillOpen        = "while waiting: the connection stays open"
	withinMessage    = "with a message half read: the connection is closed"
	withinFrame      = "with a frame half written: the connection is closed"
	withinSent       = "with a message half sent: the connection is closed"
	withinClosing    = "within the closing handshake: the connection is closed"
	withoutDeadlines = "on a transport without deadlines: the connection is closed"
)

// opError is an error with the operation that it ended.
type opError struct {
	op  string
	err error
}

func (e *opError) Error() string { return "websocket: " + e.op + ": " + e.err.Error() }
func (e *opError) Unwrap() error { return e.err }
