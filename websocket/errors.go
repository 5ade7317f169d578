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
	// ErrMessageTooBig reports that a message of the peer exceeds the read
	// limit: see [Conn.SetReadLimit]. The connection is closed with
	// [StatusMessageTooBig].
	ErrMessageTooBig = errors.New("websocket: message is longer than the read limit")

	// ErrConcurrentRead reports that another goroutine is reading from the
	// connection, or that [Conn.CloseRead] is. The connection stays usable.
	ErrConcurrentRead = errors.New("websocket: another read is in progress")

	// ErrSendQueueFull reports that a message of [Conn.Send] did not fit in the
	// queue. The connection is closed with [StatusTryAgainLater]: see
	// [SendClose].
	ErrSendQueueFull = wsutil.ErrSendQueueFull

	// ErrSendTooLarge reports that a message of [Conn.Send] is larger than
	// MaxBytes of the queue. The connection stays usable.
	ErrSendTooLarge = wsutil.ErrSendTooLarge

	// ErrDraining reports that reads have stopped because a [Group] of the
	// connection drains: see [Group.Drain]. The program may still write. It
	// must close the connection.
	ErrDraining = errors.New("websocket: read: the connection is draining: no more messages are read")

	// ErrClosePending reports that [Conn.Close] was called by a callback of
	// another Close. The close frame was sent, and the other Close completes
	// the handshake after the callback has returned.
	ErrClosePending = errors.New("websocket: close: the handshake completes after the callback returns")

	// ErrWriterClosed reports that the writer of a message was used after it
	// was closed or had failed. The connection stays usable.
	ErrWriterClosed = errors.New("websocket: the writer of the message is closed")
)

// Reasons for the end of a connection other than the peer, the network and
// contexts.
var (
	errClosed       = fmt.Errorf("the connection was closed: %w", net.ErrClosed)
	errClosing      = fmt.Errorf("the closing handshake has begun: %w", net.ErrClosed)
	errWriteTimeout = &chainError{"the peer did not read the written data in time", []error{os.ErrDeadlineExceeded}}
	errNoDeadlines  = errors.New("the transport has no deadlines")
	errStale        = errors.New("websocket: read: the reader is stale: the next message was requested")
	errExited       = errors.New("a callback ended its goroutine")
	errNotMade      = errors.New("the Conn was not made by Accept, Dial or NewConn")
	errNotPrepared  = errors.New("the PreparedMessage is not a text or binary message of NewPreparedMessage")
	errNilContext   = errors.New("nil Context")
	errNilGroup     = errors.New("nil Group")
	errTakenOver    = errors.New("Close has taken over the read lock")
)

// PanicError is the error of a connection that ended because a callback or hook
// panicked. The peer gets [StatusInternalError] if it reads the close frame
// within a second. On a goroutine of this package, such as that of
// [Conn.CloseRead], the panic ends the connection but not the process. On a
// goroutine of the caller, such as in [Conn.Read], the panic continues in the
// caller. The connection then ends only if a message or a write is incomplete.
//
// PanicError does not wrap Value: a panic is a fault of the program, even if
// its value is an error of the network or the peer.
type PanicError struct {
	Value any    // what the callback has panicked with
	Stack []byte // of its goroutine
}

// Error returns the value, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("a callback panicked: %v", e.Value) }

// chainError is an error that wraps several errors and has its own text.
type chainError struct {
	text  string
	chain []error
}

func (e *chainError) Error() string   { return e.text }
func (e *chainError) Unwrap() []error { return e.chain }

// contextError reports that ctx has ended, and what that means for the
// connection. It wraps ctx.Err() and the cause.
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

// Consequences of the end of a context. Tests compare these texts.
const (
	stillOpen        = "while waiting: the connection stays open"
	withinMessage    = "inside a message: the connection is closed"
	withinFrame      = "inside a frame: the connection is closed"
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

// neverContext returns a context that has ended because the caller passed nil.
func neverContext(op string) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(&opError{op, errNilContext})
	return ctx
}

// contextEnd returns why ctx has ended: its error, wrapped with its cause if
// that differs.
func contextEnd(ctx context.Context) error { return withContext(ctx, ctx.Err()) }

// withContext returns err, wrapped with the reason why ctx has ended unless err
// already contains it.
func withContext(ctx context.Context, err error) error {
	for _, why := range [...]error{context.Cause(ctx), ctx.Err()} {
		if why != nil && !errors.Is(err, why) {
			err = fmt.Errorf("%w: %w", why, err)
		}
	}
	return err
}
