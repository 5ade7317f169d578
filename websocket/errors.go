package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/wskit/wskit/wsutil"
)

var (
	// ErrMessageTooBig says that a message of the peer is longer than the read limit:
	// see [Conn.SetReadLimit]. The connection is closed with [StatusMessageTooBig].
	ErrMessageTooBig = errors.New("websocket: message is longer than the read limit")

	// ErrConcurrentRead says that another goroutine reads from the connection, or that
	// [Conn.CloseRead] does. The connection is as usable as before.
	ErrConcurrentRead = errors.New("websocket: another read is under way")

	// ErrSendQueueFull says that a message of [Conn.Send] did not fit in the queue, and
	// that the connection is closed for that with [StatusTryAgainLater]: see [SendClose].
	ErrSendQueueFull = wsutil.ErrSendQueueFull

	// ErrSendTooLarge says that a message of [Conn.Send] is longer than MaxBytes of the
	// queue. The connection is as usable as before.
	ErrSendTooLarge = wsutil.ErrSendTooLarge

	// ErrDraining says that nothing more is read since a [Group] of the connection drains:
	// see [Group.Drain]. Answers may still be written, and the connection has to be closed.
	ErrDraining = errors.New("websocket: read: the connection is draining: no more messages are read")

	// ErrClosePending says that [Conn.Close] was called by a callback that another
	// Close has called: the close frame is sent, and that Close does the rest of the
	// handshake once the callback has returned.
	ErrClosePending = errors.New("websocket: close: the handshake ends once the callback has returned")

	// ErrWriterClosed says that the writer of a message was used after it was closed or
	// had failed. The connection is as usable as before.
	ErrWriterClosed = errors.New("websocket: the writer of the message is closed")
)

// What ends a connection, beside the peer, the network and contexts.
var (
	errClosed       = fmt.Errorf("the connection was closed: %w", net.ErrClosed)
	errClosing      = fmt.Errorf("the closing handshake has begun: %w", net.ErrClosed)
	errWriteTimeout = &chainError{"the peer did not take what was written in time", []error{os.ErrDeadlineExceeded}}
	errNoDeadlines  = errors.New("the transport has no deadlines")
	errStale        = errors.New("websocket: read: the next message has been asked for")
	errExited       = errors.New("a callback has ended its goroutine")
	errNotMade      = errors.New("a Conn that Accept, Dial or NewConn has not made")
	errNotPrepared  = errors.New("a PreparedMessage that is not a text or binary message of NewPreparedMessage")
	errNilContext   = errors.New("nil Context")
	errNilGroup     = errors.New("nil Group")
	errTakenOver    = errors.New("Close has taken the read lock over")
)

// PanicError is the error of a connection that ended because a callback or hook
// panicked. The peer gets [StatusInternalError] if it takes the close frame within a
// second. On a goroutine of this package, for instance that of [Conn.CloseRead], the
// panic ends there, and the connection ends with it. On a goroutine of the caller, in
// [Conn.Read] for instance, the panic goes on to the caller, and the connection ends
// only if it was left within a message or a write.
//
// It does not wrap Value: a panic with an error of the network or of the peer is still
// the program's own.
type PanicError struct {
	Value any    // what the callback has panicked with
	Stack []byte // of its goroutine
}

// Error returns the value, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("a callback panicked: %v", e.Value) }

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

// neverContext returns a context that has ended because the caller's is nil.
func neverContext(op string) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(&opError{op, errNilContext})
	return ctx
}

// contextEnd returns why ctx has ended: its error, and its cause if that is another one.
func contextEnd(ctx context.Context) error { return withContext(ctx, ctx.Err()) }

// withContext returns err with why ctx has ended, if it has and err does not say so.
func withContext(ctx context.Context, err error) error {
	for _, why := range [...]error{context.Cause(ctx), ctx.Err()} {
		if why != nil && !errors.Is(err, why) {
			err = fmt.Errorf("%w: %w", why, err)
		}
	}
	return err
}
