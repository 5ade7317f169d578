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

// The limits and times of a [Config] that does not set them.
const (
	DefaultMaxMessage       = 32 << 10 // bytes
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultWriteTimeout     = 30 * time.Second
	DefaultReceiveBuffer    = 64 << 10 // bytes
)

// Handler is what a program does with its connections. All functions may be nil.
// Those of one connection are called one at a time and in order, on its loop: they
// must not block. [Conn.Go] is for what takes longer. All that they send leaves when
// the turn of the loop ends, in one system call for each connection.
//
// A function that panics ends its connection with [ws.StatusInternalServerError] and
// no other one. See [Config].Panicked.
type Handler struct {
	// Open is called first, once the handshake is done.
	Open func(c *Conn)

	// Message is called with each message: op is ws.OpText or ws.OpBinary. The
	// payload is valid until it returns; it may be changed.
	Message func(c *Conn, op ws.OpCode, payload []byte)

	// Drain is called when all that had been queued was taken by the transport,
	// after a Send that returned something else than [wsutil.SendSent].
	Drain func(c *Conn)

	// Pong is called with the payload of each pong, valid until it returns.
	Pong func(c *Conn, payload []byte)

	// Close is called last, and once if Open was. Nothing can be sent any longer.
	Close func(c *Conn, end End)
}

// End says how a connection has ended.
type End struct {
	// Code and Reason are those of the first close frame, the peer's or ours:
	// ws.StatusNoStatusRcvd for a frame without a code, and
	// ws.StatusAbnormalClosure if there was none. The reason of our own frame is
	// not kept.
	Code   ws.StatusCode
	Reason string

	// PeerFirst says that the peer closed: its close frame came before ours, or its
	// transport ended before there was any.
	PeerFirst bool

	// Err says more: a wsutil.ClosedError after the peer's close frame, a
	// *ws.ProtocolError if the peer broke a rule, a *PanicError, or the error of
	// the transport or of a timeout. It is nil if the connection was over before
	// any of that.
	Err error
}

// PanicError is the error of a connection whose handler has panicked or has ended its
// goroutine.
type PanicError struct {
	Value any // of the panic; nil after runtime.Goexit
	Stack []byte
}

// Error returns the value and the stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("wsloop: handler panicked: %v\n%s", e.Value, e.Stack)
}

// Unwrap returns the value of the panic if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Config configures a [Server]. The zero value is ready to use. In each limit and
// time 0 means the default and a negative value none.
type Config struct {
	// Loops is the number of loops, each of which is one goroutine. 0 and negative
	// values mean GOMAXPROCS.
	Loops int

	// Goroutines runs all connections with goroutines that read and write, in
	// place of the system's poller. The handler is called as otherwise, on the
	// loops. Systems without a poller that this package knows always do this. It
	// is for tests, in memory or with the clock of testing/synctest.
	Goroutines bool

	// Upgrader is the policy of Serve for opening handshakes. Its callbacks are
	// called on the loops. Timeout, Negotiate and ExtensionCustom are not used: see
	// HandshakeTimeout and Compression.
	Upgrader ws.Upgrader

	// OnRequest is called on a loop with each request, before the Upgrader decides.
	// It may refuse the request as the callbacks of [ws.Upgrader] do, and set up the
	// connection: o has the handler of the server. The request is valid until it
	// returns.
	OnRequest func(r *ws.Request, o *Options) error

	// CheckOrigin reports whether a page of this origin may connect. nil allows
	// requests without Origin and those of the same origin: see [ws.SameOrigin].
	// Another origin is refused with status 403.
	CheckOrigin func(r *ws.Request) bool

	// TLS makes Serve speak TLS. The connections negotiate HTTP/1.1.
	TLS *tls.Config

	// Compression is the policy for permessage-deflate (RFC 7692). nil turns it off.
	Compression *wsflate.Parameters

	// CompressionThreshold is the length in bytes from which messages are
	// compressed. 0 means a default that depends on what was agreed on.
	CompressionThreshold int

	// CompressionLevel is 1 to 9, from fast to small: see [wsflate.SenderConfig]. 0
	// means 1.
	CompressionLevel int

	// MaxMessage is the maximum size of a received message in bytes, after
	// decompression. 0 means DefaultMaxMessage, 32 KiB.
	MaxMessage int64

	// MaxFragments and FragmentSize are those of [wsutil.Config].
	MaxFragments, FragmentSize int

	// CheckUTF8 makes Send refuse text that is not UTF-8.
	CheckUTF8 bool

	// Queue bounds what waits to be sent on each connection: 64 KiB and 256
	// messages unless it says otherwise.
	Queue wsutil.SendQueueOptions

	// CloseTimeout bounds the closing handshake, and what is still to be written
	// before it. 0 means [wsutil.DefaultCloseTimeout].
	CloseTimeout time.Duration

	// ReadIdleTimeout, KeepAlive and KeepAliveTimeout are those of
	// [wsutil.Config]: 0 means none.
	ReadIdleTimeout, KeepAlive, KeepAliveTimeout time.Duration

	// WriteTimeout ends a connection whose peer takes none of the bytes that wait
	// for so long. 0 means DefaultWriteTimeout, 30 s.
	WriteTimeout time.Duration

	// Lifetime is the time after which a connection is closed with
	// [ws.StatusGoingAway], less a random part of LifetimeJitter. 0 and negative
	// values mean no limit.
	Lifetime, LifetimeJitter time.Duration

	// HandshakeTimeout bounds the opening handshake and that of TLS, both together.
	// 0 means DefaultHandshakeTimeout, 10 s.
	HandshakeTimeout time.Duration

	// MaxConns bounds the connections that Serve accepts, and MaxConnsPerAddr those
	// from one IP address. A client above a limit gets status 503. Connections that
	// are attached count, and are never refused. 0 and negative values mean no limit.
	MaxConns, MaxConnsPerAddr int

	// ReceiveBuffer is the size in bytes of the buffer of each loop, and the most
	// that a turn reads from one connection. 0 and negative values mean
	// DefaultReceiveBuffer, 64 KiB.
	ReceiveBuffer int

	// ShutdownSpread is the time over which Shutdown spreads its close frames, so
	// that clients do not all come back at once. 0 and negative values mean at once.
	ShutdownSpread time.Duration

	// Stats, if not nil, counts what the connections of the server do. Several servers
	// may share one, also with connections of package websocket, whose Stats embeds it.
	// A close frame counts when its connection is over. It costs three atomic
	// operations for a message that is sent, and three for all that a turn receives.
	// See [Server.Stats] for the counters of the loops, which are always there.
	Stats *wsutil.Stats

	// Panicked is called, if set, after a function of the Handler has panicked.
	Panicked func(c *Conn, err *PanicError)
}

// Options are what a program decides for one connection.
type Options struct {
	// Handler, if not nil, takes the place of the handler of the server.
	Handler *Handler

	// Value is what [Conn.Value] returns.
	Value any

	// Header is sent with the answer of the handshake. Attach does not use it.
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

// orDefault returns the time that d stands for, where none is the end of time.
func orDefault(d, byDefault time.Duration) time.Duration {
	if d < 0 {
		return math.MaxInt64
	}
	return cmp.Or(d, byDefault)
}

// later returns the time d after now, or the end of time.
func later(now, d time.Duration) time.Duration { return now + min(d, math.MaxInt64-now) }

// corkMost is how many encoded bytes a connection collects before they are written
// within a turn: as many as may wait, and 64 KiB at most.
func (cfg *Config) corkMost() int {
	const most = 64 << 10
	if n := cfg.Queue.MaxBytes; n > 0 {
		return min(n, most)
	}
	return most
}

// protocol returns what the protocol of a connection is to be like.
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
