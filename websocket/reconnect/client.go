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

// Client keeps a connection to one server. [New] makes one. Its methods may be called by
// any number of goroutines.
type Client struct {
	url     string
	opts    Options
	queue   *queue
	running atomic.Bool
}

// New returns a Client for the server of the URL, as [websocket.Dial] takes it. It copies
// opts, which may be nil, and does not dial: [Client.Run] does.
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

// ErrRunning is returned by [Client.Run] if another Run is under way.
var ErrRunning = errors.New("reconnect: another Run is under way")

// Send queues a message of that type, and returns at once: it does not wait for a
// connection, nor for the write. It copies p. The error wraps [ErrQueueFull] if the
// message does not fit; text that is not UTF-8 is an error, too, since it would end
// every connection. What is queued when Run returns waits for the next Run.
func (c *Client) Send(typ websocket.MessageType, p []byte) error {
	switch {
	case typ != websocket.MessageText && typ != websocket.MessageBinary:
		return fmt.Errorf("reconnect: invalid message type %d", int(typ))
	case typ == websocket.MessageText && !utf8s.Valid(p):
		return errors.New("reconnect: text is not valid UTF-8")
	}
	return c.queue.push(typ, p)
}

// Buffered returns how many messages are queued, and their bytes. The message that is being
// written is among them.
func (c *Client) Buffered() (messages, bytes int) { return c.queue.size() }

// Run dials, and calls handle with the connection, again and again until handle returns
// nil. An error of handle ends the connection: Run then dials again if the error is
// retryable. handle returns the error of its read or write, possibly wrapped: a context of
// its own that has ended is not retryable, so a handler with a timeout for each read
// returns another error. Its
// context ends when it has returned. It need not close the connection, which must not
// be used after that.
//
// When handle returns nil, Run sends what is queued, closes the connection with
// [websocket.StatusNormalClosure] and returns nil, or the error of sending. Otherwise it
// returns a *[GaveUpError], or [ErrRunning]. If ctx ends, the error wraps ctx.Err() and
// its cause.
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

// failures are a row of failures, without a connection between them that has lasted.
type failures struct {
	count int
	since time.Time
}

// pause waits for the next attempt after err, the last failure of a row. An error says that
// there is to be none.
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

// connect dials once, and has the handler talk. It returns why the connection ended, and
// whether it was stable; done says that the handler wants no further one.
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

// leaveTime bounds the closing handshake after an error: the next attempt waits for it.
const leaveTime = time.Second

// leave ends a connection that the handler has left with err, and returns why it has
// ended. An error that says only that the connection is closed gives way to the reason:
// unsent, that of the writer, or the end of the connection.
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

// finish sends what is queued, and closes the connection.
func (c *Client) finish(ctx context.Context, conn *websocket.Conn, w *writer) error {
	ctx, cancel := context.WithTimeout(ctx, websocket.DefaultCloseTimeout)
	defer cancel()
	err := w.drain(ctx)
	conn.CloseContext(ctx, websocket.StatusNormalClosure, "")
	if err != nil {
		return fmt.Errorf("reconnect: sending what is queued: %w", err)
	}
	return nil
}

// withEnd returns err with why ctx has ended, if err does not say so.
func withEnd(ctx context.Context, err error) error {
	for _, why := range [...]error{context.Cause(ctx), ctx.Err()} {
		if !errors.Is(err, why) {
			err = fmt.Errorf("%w: %w", why, err)
		}
	}
	return err
}
