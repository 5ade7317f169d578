package wsloop

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// Defaults of the limits and timeouts of [Config].
const (
	DefaultMaxMessage       = 32 << 10 // bytes
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultWriteTimeout     = 30 * time.Second
	DefaultReceiveBuffer    = 64 << 10 // bytes
)

// Handler holds the callbacks of a connection. All of them may be nil. For one
// connection, they are called one at a time and in order on its loop, so they
// must not block. Use [Conn.Go] for work that takes longer. Messages that they
// send are written at the end of the current iteration of the loop, in one
// system call for each connection.
//
// If a callback panics, its connection ends with
// [ws.StatusInternalServerError], and others continue. See [Config].Panicked.
type Handler struct {
	// Open is called first, after the handshake.
	Open func(c *Conn)

	// Message is called with each message: op is ws.OpText or ws.OpBinary. The
	// payload is valid until Message returns, and Message may modify it.
	Message func(c *Conn, op ws.OpCode, payload []byte)

	// Drain is called when the transport has accepted all queued data, after a
	// Send that did not return [wsutil.SendSent].
	Drain func(c *Conn)

	// Pong is called with the payload of each pong. The payload is valid until
	// Pong returns.
	Pong func(c *Conn, payload []byte)

	// Close is called last, and exactly once if Open was called. Nothing can be
	// sent after it.
	Close func(c *Conn, end End)
}

// End describes how a connection ended.
type End struct {
	// Code and Reason are those of the first close frame, whether received or
	// sent. Code is ws.StatusNoStatusRcvd for a frame without a code, and
	// ws.StatusAbnormalClosure if there was no close frame. Reason is empty if
	// the first frame was ours.
	Code   ws.StatusCode
	Reason string

	// PeerFirst says that the peer closed the connection: its close frame came
	// before ours, or the transport ended before any close frame.
	PeerFirst bool

	// Err is the cause: a wsutil.ClosedError after the peer's close frame, a
	// *ws.ProtocolError if the peer violated the protocol, a *PanicError, or an
	// error of the transport or a timeout. It is nil if none of these happened.
	Err error
}

// PanicError is the error of a connection whose handler panicked or called
// runtime.Goexit.
type PanicError struct {
	Value any // passed to panic; nil after runtime.Goexit
	Stack []byte
}

// Error returns the value and the stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("wsloop: handler panicked: %v\n%s", e.Value, e.Stack)
}

// Unwrap returns Value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Config configures a [Server]. The zero value is ready to use. In each limit
// and timeout, 0 means the default and a negative value means none.
type Config struct {
	// Loops is the number of loops. Each loop is one goroutine. 0 and negative
	// values mean GOMAXPROCS.
	Loops int

	// Goroutines makes goroutines read from and write to all connections,
	// instead of using the system's poller. The handler still runs on the
	// loops. Goroutines is for tests with connections in memory or with
	// testing/synctest. It is always on for systems whose poller this package
	// does not support.
	Goroutines bool

	// Upgrader is the policy of Serve for opening handshakes. Its callbacks run
	// on the loops. Timeout, Negotiate and ExtensionCustom are not used: see
	// HandshakeTimeout and Compression.
	Upgrader ws.Upgrader

	// OnRequest is called on a loop with each request, before Upgrader is
	// applied. It may refuse the request with an error, as the callbacks of
	// [ws.Upgrader] do, and may set the options of the connection. Initially,
	// o.Handler is the handler of the server. r is valid until OnRequest
	// returns.
	OnRequest func(r *ws.Request, o *Options) error

	// CheckOrigin reports whether a page of this origin may connect. nil allows
	// requests without Origin and from the same origin: see [ws.SameOrigin]. If
	// it returns false, the request is refused with status 403.
	CheckOrigin func(r *ws.Request) bool

	// TLS makes Serve use TLS. Connections negotiate HTTP/1.1.
	TLS *tls.Config

	// Compression is the policy for permessage-deflate (RFC 7692). nil turns it
	// off.
	Compression *wsflate.Parameters

	// CompressionThreshold is the length in bytes from which messages are
	// compressed. 0 means a default that depends on the agreed parameters.
	CompressionThreshold int

	// CompressionLevel is 1 to 9, from fast to small: see
	// [wsflate.SenderConfig]. 0 means 1.
	CompressionLevel int

	// MaxMessage is the maximum size of a received message in bytes, after
	// decompression. 0 means DefaultMaxMessage, 32 KiB.
	MaxMessage int64

	// MaxFragments and FragmentSize are the fields of [wsutil.Config].
	MaxFragments, FragmentSize int

	// CheckUTF8 makes Send return an error for text that is not UTF-8.
	CheckUTF8 bool

	// Queue limits the messages that wait to be sent on each connection. The
	// default is 64 KiB and 256 messages.
	Queue wsutil.SendQueueOptions

	// CloseTimeout limits the time for the closing handshake and for data that
	// is written before it. 0 means [wsutil.DefaultCloseTimeout].
	CloseTimeout time.Duration

	// ReadIdleTimeout, KeepAlive and KeepAliveTimeout are the fields of
	// [wsutil.Config]: 0 means none.
	ReadIdleTimeout, KeepAlive, KeepAliveTimeout time.Duration

	// WriteTimeout is the time after which a connection ends if data waits and
	// the peer accepts none of it. 0 means DefaultWriteTimeout, 30 s.
	WriteTimeout time.Duration

	// Lifetime is the time after which a connection is closed with
	// [ws.StatusGoingAway]. A random part of LifetimeJitter is subtracted. 0
	// and negative values mean no limit.
	Lifetime, LifetimeJitter time.Duration

	// HandshakeTimeout limits the time for the TLS handshake and the opening
	// handshake together. 0 means DefaultHandshakeTimeout, 10 s.
	HandshakeTimeout time.Duration

	// MaxConns limits the number of connections, and MaxConnsPerAddr the number
	// from one IP address. Serve refuses clients above a limit with status 503.
	// Attached connections count, but are never refused. 0 and negative values
	// mean no limit.
	MaxConns, MaxConnsPerAddr int

	// ReceiveBuffer is the size in bytes of the buffer of each loop, and the
	// maximum that one iteration of the loop reads from one connection. 0 and
	// negative values mean DefaultReceiveBuffer, 64 KiB.
	ReceiveBuffer int

	// ShutdownSpread is the time over which Shutdown spreads its close frames,
	// so that clients do not all reconnect at once. 0 and negative values mean
	// no spread.
	ShutdownSpread time.Duration

	// Stats, if not nil, counts messages and close frames of the server.
	// Servers may share one Stats, also with connections of package websocket:
	// the Stats of that package embeds this type. A close frame counts when its
	// connection is over. Counting costs three atomic operations for each sent
	// message, and three for all messages that one iteration of a loop
	// receives. The counters of [Server.Stats] are always kept.
	Stats *wsutil.Stats

	// Panicked, if not nil, is called after a callback of the Handler has
	// panicked.
	Panicked func(c *Conn, err *PanicError)
}

// Options configure one connection.
type Options struct {
	// Handler, if not nil, replaces the handler of the server.
	Handler *Handler

	// Value is what [Conn.Value] returns.
	Value any

	// Header is sent in the response of the handshake. Attach ignores it.
	Header ws.HandshakeHeader
}

func (cfg *Config) loops() int {
	if cfg.Loops > 0 {
		return cfg.Loops
	}
	return runtime.GOMAXPROCS(0)
}

func (cfg *Config) receiveBuffer() int {
	if cfg.ReceiveBuffer > 0 {
		return cfg.ReceiveBuffer
	}
	return DefaultReceiveBuffer
}

// orDefault returns d, byDefault if d is 0, or the maximum duration if d is
// negative.
func orDefault(d, byDefault time.Duration) time.Duration {
	if d < 0 {
		return math.MaxInt64
	}
	return cmp.Or(d, byDefault)
}

// later returns now+d, or the maximum duration if that overflows.
func later(now, d time.Duration) time.Duration { return now + min(d, math.MaxInt64-now) }

// maxCork returns how many encoded bytes a connection collects within an
// iteration of the loop before it writes them: the limit of the queue, and at
// most 64 KiB.
func (cfg *Config) maxCork() int {
	const most = 64 << 10
	if n := cfg.Queue.MaxBytes; n > 0 {
		return min(n, most)
	}
	return most
}

// protocol returns the configuration of the protocol of a connection.
func (cfg *Config) protocol(side ws.State, flate *wsflate.Parameters, now time.Duration) *wsutil.Config {
	p := &wsutil.Config{
		State:            side,
		MaxMessage:       cmp.Or(cfg.MaxMessage, DefaultMaxMessage),
		MaxFragments:     cfg.MaxFragments,
		FragmentSize:     cfg.FragmentSize,
		CheckUTF8:        cfg.CheckUTF8,
		CloseTimeout:     cfg.CloseTimeout,
		ReadIdleTimeout:  cfg.ReadIdleTimeout,
		KeepAlive:        cfg.KeepAlive,
		KeepAliveTimeout: cfg.KeepAliveTimeout,
		Now:              now,
	}
	if flate != nil {
		p.Inflater = wsflate.NewReceiver(*flate, side)
		p.Deflater = wsflate.NewSender(*flate, side, &wsflate.SenderConfig{Level: cfg.CompressionLevel, Threshold: cfg.CompressionThreshold})
	}
	return p
}
