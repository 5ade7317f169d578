package reconnect

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/internal/utf8s"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// Client keeps a connection to one server. [New] returns one. It is safe for
// concurrent use.
type Client struct {
	url     string
	opts    Options
	queue   *queue
	running atomic.Bool
}

// New returns a Client for the server at url, which it passes to
// [websocket.Dial]. It copies opts, which may be nil. It does not dial;
// [Client.Run] does.
func New(url string, opts *Options) *Client {
	c := &Client{url: url}
	if opts != nil {
		c.opts = *opts
	}
	if c.opts.Dial == nil {
		c.opts.Dial = websocket.Dial
	}
	c.queue = newQueue(c.opts.MaxBytes, c.opts.MaxMessages)
	return c
}

// ErrRunning is returned by [Client.Run] if another Run is in progress.
var ErrRunning = errors.New("reconnect: another Run is in progress")

// Send queues a message and returns at once. It waits neither for a connection
// nor for the write. It copies p. The error wraps [ErrQueueFull] if the message
// does not fit. Text that is not valid UTF-8 is an error, because it would end
// every connection. Messages that are queued when Run returns wait for the next
// Run.
func (c *Client) Send(typ websocket.MessageType, p []byte) error {
	switch {
	case typ != websocket.MessageText && typ != websocket.MessageBinary:
		return fmt.Errorf("reconnect: invalid message type %d", int(typ))
	case typ == websocket.MessageText && !utf8s.Valid(p):
		return errors.New("reconnect: text is not valid UTF-8")
	}
	return c.queue.push(typ, p)
}

// Buffered returns the number of queued messages and their size in bytes,
// including the message that is being written.
func (c *Client) Buffered() (messages, bytes int) { return c.queue.size() }

// Run dials and calls handle with the connection. It repeats this until handle
// returns nil. An error of handle ends the connection; if the error is
// retryable, Run dials again. handle should return the error of its read or
// write, possibly wrapped. The end of a context is not retryable, so a handler
// with a timeout for each read should return another error. The context passed
// to handle ends when handle returns. handle need not close the connection. It
// must not use the connection after it has returned.
//
// When handle returns nil, Run sends the queued messages, closes the connection
// with [websocket.StatusNormalClosure], and returns nil or the error of
// sending. Otherwise it returns a *[GaveUpError], or [ErrRunning]. If ctx ends,
// the error wraps ctx.Err() and its cause.
func (c *Client) Run(ctx context.Context, handle func(ctx context.Context, conn *websocket.Conn) error) error {
	switch {
	case ctx == nil:
		return errors.New("reconnect: nil Context")
	case handle == nil:
		return errors.New("reconnect: nil handler")
	case !c.running.CompareAndSwap(false, true):
		return ErrRunning
	}
	defer c.running.Store(false)
	row := failures{since: time.Now()}
	for {
		done, stable, err := c.connect(ctx, handle)
		if done {
			return err
		}
		if stable {
			row = failures{since: time.Now()}
		}
		row.count++
		if err := c.pause(ctx, &row, err); err != nil {
			return err
		}
	}
}

// failures counts consecutive failures, without a stable connection between
// them.
type failures struct {
	count int
	since time.Time
}

// pause waits for the next attempt after err, the last of consecutive failures.
// An error means that there is no next attempt.
func (c *Client) pause(ctx context.Context, row *failures, err error) error {
	gaveUp := func(why Reason, err error) error { return &GaveUpError{Reason: why, Failures: row.count, Err: err} }
	if ctx.Err() != nil {
		return gaveUp(ContextEnded, withEnd(ctx, err))
	}
	wait := c.opts.retryAfter(err)
	if limit := c.opts.limit(row.count); limit > 0 {
		wait += rand.N(limit)
	}
	switch {
	case !c.opts.retryable(err):
		return gaveUp(NotRetryable, err)
	case c.opts.MaxAttempts > 0 && row.count >= c.opts.MaxAttempts:
		return gaveUp(TooManyAttempts, err)
	case c.opts.MaxAway > 0 && time.Since(row.since)+wait > c.opts.MaxAway:
		return gaveUp(AwayTooLong, err)
	}
	enough := time.NewTimer(wait)
	defer enough.Stop()
	if c.opts.OnRetry != nil {
		if stop := c.opts.OnRetry(ctx, err, wait); stop != nil {
			return gaveUp(Stopped, fmt.Errorf("%w: %w", stop, err))
		}
	}
	select {
	case <-enough.C:
		return nil
	case <-ctx.Done():
		return gaveUp(ContextEnded, withEnd(ctx, err))
	}
}

// connect dials once and calls the handler. It returns why the connection
// ended, and whether it was stable. done reports that the handler returned nil.
func (c *Client) connect(ctx context.Context, handle func(context.Context, *websocket.Conn) error) (done, stable bool, err error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return false, false, err
	}
	defer conn.CloseNow()
	opened := time.Now()
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	if c.opts.OnConnect != nil {
		err = c.opts.OnConnect(within, conn)
	}
	var unsent error
	if err == nil {
		w := c.startWriter(within, conn)
		defer w.stop()
		if err = handle(within, conn); err == nil {
			return true, true, c.finish(ctx, conn, w)
		}
		unsent = w.stop()
	}
	stable = time.Since(opened) >= c.opts.stableAfter()
	return false, stable, c.leave(ctx, conn, err, unsent)
}

func (c *Client) dial(ctx context.Context) (*websocket.Conn, error) {
	if timeout := c.opts.dialTimeout(); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, ws.ErrHandshakeTimeout)
		defer cancel()
	}
	conn, _, err := c.opts.Dial(ctx, c.url, c.opts.DialOptions)
	if err == nil && conn == nil {
		err = errors.New("reconnect: Dial returned no connection")
	}
	return conn, err
}

// leaveTime is the time limit of the closing handshake after an error, because
// the next attempt waits for it.
const leaveTime = time.Second

// leave ends a connection after the handler has returned err, and returns why
// it ended. If err says only that the connection is closed, leave returns the
// reason for that: unsent, which is the error of the writer, or else Err of the
// CloseRecord.
func (c *Client) leave(ctx context.Context, conn *websocket.Conn, err, unsent error) error {
	select {
	case <-conn.Done():
		if panicked, ok := errors.AsType[*websocket.PanicError](unsent); ok {
			return panicked
		}
		for _, reason := range [...]error{unsent, conn.CloseRecord().Err} {
			if errors.Is(err, net.ErrClosed) && c.opts.retryable(reason) {
				return reason
			}
		}
		return err
	default:
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	conn.CloseContext(ctx, websocket.StatusGoingAway, "")
	return err
}

// finish sends the queued messages and closes the connection.
func (c *Client) finish(ctx context.Context, conn *websocket.Conn, w *writer) error {
	ctx, cancel := context.WithTimeout(ctx, websocket.DefaultCloseTimeout)
	defer cancel()
	err := w.drain(ctx)
	conn.CloseContext(ctx, websocket.StatusNormalClosure, "")
	if err != nil {
		return fmt.Errorf("reconnect: sending queued messages: %w", err)
	}
	return nil
}

// withEnd returns err, wrapped with the reason why ctx has ended unless err
// already contains it.
func withEnd(ctx context.Context, err error) error {
	for _, why := range [...]error{context.Cause(ctx), ctx.Err()} {
		if !errors.Is(err, why) {
			err = fmt.Errorf("%w: %w", why, err)
		}
	}
	return err
}
