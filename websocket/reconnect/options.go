package reconnect

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// The defaults of [Options].
const (
	DefaultMinDelay      = 500 * time.Millisecond
	DefaultMaxDelay      = 30 * time.Second
	DefaultMaxRetryAfter = time.Hour
	DefaultStableAfter   = 10 * time.Second
	DefaultMaxBytes      = 64 << 10
	DefaultMaxMessages   = 256
)

// Options are the options of [New]. The zero value is ready to use.
type Options struct {
	// DialOptions are passed to Dial.
	DialOptions *websocket.DialOptions

	// Dial opens a connection. Nil means [websocket.Dial].
	Dial func(ctx context.Context, url string, o *websocket.DialOptions) (*websocket.Conn, *http.Response, error)

	// DialTimeout bounds one attempt. 0 means [ws.DefaultHandshakeTimeout], a negative
	// value no bound.
	DialTimeout time.Duration

	// OnConnect, if set, is called with each new connection before the handler, and
	// before anything queued is sent: to log in, or to subscribe again. An error is
	// handled like one of the handler.
	OnConnect func(ctx context.Context, conn *websocket.Conn) error

	// OnRetry, if set, is called before each pause with the error that caused it. The
	// time it takes is part of the pause. If it returns an error, Run gives up.
	OnRetry func(ctx context.Context, err error, pause time.Duration) error

	// Retryable decides whether to dial again after an error. Nil means
	// [websocket.Retryable].
	Retryable func(err error) bool

	// MinDelay is the longest first pause. The limit doubles with each attempt that
	// fails, up to MaxDelay. A pause is random between zero and the limit. 0 means
	// [DefaultMinDelay] and [DefaultMaxDelay].
	MinDelay, MaxDelay time.Duration

	// MaxRetryAfter is the longest pause that a server can ask for with Retry-After; a
	// longer one counts as this. 0 means [DefaultMaxRetryAfter]. With a negative value
	// Retry-After does not count.
	MaxRetryAfter time.Duration

	// StableAfter is how long a connection must last to end a row of failures: the
	// pauses and both limits below then begin anew. 0 means [DefaultStableAfter]. With a
	// negative value every connection does that.
	StableAfter time.Duration

	// MaxAttempts is the number of failures in a row after which Run gives up. A failure
	// is a dial that failed or a connection that did not last. 0 means no limit.
	MaxAttempts int

	// MaxAway bounds a row of failures in time: Run gives up rather than dial again
	// later than that after the first one began. 0 means no limit.
	MaxAway time.Duration

	// MaxBytes and MaxMessages bound what [Client.Send] queues, payload bytes and
	// messages, including the message that is being written. 0 means [DefaultMaxBytes]
	// and [DefaultMaxMessages], a negative value no limit.
	MaxBytes, MaxMessages int

	// Resend sends the message that was being written when the connection was lost again
	// on the next one: the server may get it twice.
	Resend bool

	// OnDrop, if set, is called with each message that is dropped because the connection
	// was lost while it was being written, and the error of writing it. It owns the
	// message, and must not block. It is called on another goroutine than the handler. If
	// it panics, the connection is closed, and Run returns a [websocket.PanicError].
	OnDrop func(m websocket.Message, err error)
}

func (o *Options) dialTimeout() time.Duration {
	return cmp.Or(o.DialTimeout, ws.DefaultHandshakeTimeout)
}

func (o *Options) stableAfter() time.Duration { return cmp.Or(o.StableAfter, DefaultStableAfter) }

// limit returns the limit of the pause after so many failures in a row.
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

// retryAfter returns the pause that the server asks for in err.
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
