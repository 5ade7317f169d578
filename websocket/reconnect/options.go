package reconnect

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// Defaults of [Options].
const (
	DefaultMinDelay      = 500 * time.Millisecond
	DefaultMaxDelay      = 30 * time.Second
	DefaultMaxRetryAfter = time.Hour
	DefaultStableAfter   = 10 * time.Second
	DefaultMaxBytes      = 64 << 10
	DefaultMaxMessages   = 256
)

// Options are the options of [New]. The zero value has the defaults.
type Options struct {
	// DialOptions are passed to Dial.
	DialOptions *websocket.DialOptions

	// Dial opens a connection. If it is nil, Run uses [websocket.Dial].
	Dial func(ctx context.Context, url string, o *websocket.DialOptions) (*websocket.Conn, *http.Response, error)

	// DialTimeout is the time limit of one attempt. 0 means
	// [ws.DefaultHandshakeTimeout], and a negative value means no limit.
	DialTimeout time.Duration

	// OnConnect, if not nil, is called with each new connection, before the
	// handler is called and before queued messages are sent. It can log in or
	// subscribe. Run treats its error like an error of the handler.
	OnConnect func(ctx context.Context, conn *websocket.Conn) error

	// OnRetry, if not nil, is called before each pause with the error that
	// caused it. Its running time is part of the pause. If it returns an error,
	// Run gives up.
	OnRetry func(ctx context.Context, err error, pause time.Duration) error

	// Retryable reports whether to dial again after an error. If it is nil, Run
	// uses [websocket.Retryable].
	Retryable func(err error) bool

	// MinDelay is the maximum of the first pause. The maximum doubles with each
	// failed attempt, up to MaxDelay. A pause is random between zero and its
	// maximum. 0 means [DefaultMinDelay] and [DefaultMaxDelay].
	MinDelay, MaxDelay time.Duration

	// MaxRetryAfter is the longest pause that a server can request with
	// Retry-After; longer ones are cut to it. 0 means [DefaultMaxRetryAfter],
	// and a negative value means that Retry-After is ignored.
	MaxRetryAfter time.Duration

	// StableAfter is how long a connection must last to be stable. A stable
	// connection resets the pauses and the two limits below. 0 means
	// [DefaultStableAfter], and a negative value makes every connection stable.
	StableAfter time.Duration

	// MaxAttempts is the number of consecutive failures after which Run gives
	// up. A failure is a failed dial or a connection that was not stable. 0
	// means no limit.
	MaxAttempts int

	// MaxAway is how long Run keeps trying after the first of consecutive
	// failures. After that time it does not dial again. 0 means no limit.
	MaxAway time.Duration

	// MaxBytes and MaxMessages are the limits of the queue of [Client.Send], in
	// payload bytes and messages, including the message that is being written.
	// 0 means [DefaultMaxBytes] and [DefaultMaxMessages], and a negative value
	// means no limit.
	MaxBytes, MaxMessages int

	// Resend sends a message again on the next connection if the connection was
	// lost while the message was being written. The server may then receive it
	// twice.
	Resend bool

	// OnDrop, if not nil, is called with each dropped message and the error of
	// its write. A message is dropped if the connection is lost while the
	// message is being written, unless Resend is set. OnDrop owns the message
	// and must not block. It does not run on the goroutine of the handler. If
	// it panics, the connection is closed, and Run returns a
	// [websocket.PanicError].
	OnDrop func(m websocket.Message, err error)
}

func (o *Options) dialTimeout() time.Duration {
	return cmp.Or(o.DialTimeout, ws.DefaultHandshakeTimeout)
}

func (o *Options) stableAfter() time.Duration { return cmp.Or(o.StableAfter, DefaultStableAfter) }

// limit returns the maximum pause after this number of consecutive failures.
func (o *Options) limit(failures int) time.Duration {
	limit, most := max(0, cmp.Or(o.MinDelay, DefaultMinDelay)), max(0, cmp.Or(o.MaxDelay, DefaultMaxDelay))
	for ; failures > 1 && limit > 0; failures-- {
		if limit > most/2 {
			return most
		}
		limit *= 2
	}
	return min(limit, most)
}

// retryAfter returns the pause that the server requests in err.
func (o *Options) retryAfter(err error) time.Duration {
	asked, _ := websocket.RetryAfter(err)
	return max(0, min(asked, cmp.Or(o.MaxRetryAfter, DefaultMaxRetryAfter)))
}

func (o *Options) retryable(err error) bool {
	if o.Retryable != nil && err != nil {
		return o.Retryable(err)
	}
	return websocket.Retryable(err)
}
