package websocket

import (
	"cmp"
	"sync/atomic"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// Conn drives a [wsutil.Protocol], which implements the protocol itself. Conn
// adds I/O, locks, contexts, one timer and callbacks:
//
//   - The read lock (readlock.go) is held by one goroutine for one read, by a
//     Close that waits for the peer's close frame, or by the goroutine of
//     CloseRead. It guards the receiving half of the protocol, input, stream
//     and readWatch. Only its holder reads from the transport.
//   - The write lock (writelock.go) is held by one goroutine for one frame. It
//     guards the sending half of the protocol, unwritten and writeWatch. Only its
//     holder writes to the transport. Replies to the peer do not wait for the
//     lock: its holder writes them.
//   - sender.mu guards the queue of messages (send.go). Nothing is written, and
//     no other lock is taken, while it is held.
//   - clock.mu guards the time part of the protocol and the timer (clock.go).
//     pings.mu guards the pings that wait for pongs (ping.go), and
//     closeReads.mu the state of CloseRead. No callback of the user is called
//     while one of these is held.
//   - The protocol records how the connection ended. failure holds the errors
//     that reads and writes return for that. done is closed once, after the
//     transport.
//
// The read lock is taken before the write lock. The holder of the write lock
// waits only for the transport, which shut closes. shut takes no lock that is
// held by a goroutine that waits.

// Conn is a WebSocket connection. [Accept], [Dial] and [NewConn] return one.
//
// All methods are safe for concurrent use, except for reads: [Conn.Read],
// [Conn.ReadAppend], [Conn.Reader], the iterators and the readers they return
// are for one goroutine at a time. A concurrent read returns
// [ErrConcurrentRead].
//
// One goroutine must read, or the program must call [Conn.CloseRead], because
// reads answer pings, notice pongs and receive the peer's close frame. Every
// connection must be closed, with [Conn.Close] or [Conn.CloseNow].
type Conn struct {
	transport transport
	protocol  wsutil.Protocol

	read      readLock
	input     input
	stream    *stream // the message that is open for reading, or nil
	readWatch watch

	write      writeLock
	unwritten  *[]byte // the unwritten rest of a frame: see NetConn
	writeWatch watch
	sends      atomic.Pointer[sender] // nil until something was queued

	failure    atomic.Pointer[failure] // see Conn.ended
	broken     atomic.Pointer[opError] // writes fail with this error, while reads may still succeed
	closed     atomic.Bool             // shut was called
	draining   atomic.Uint32           // see drain.go
	callbacks  callbackCount
	done       chan struct{}
	clock      clock
	pings      pings
	closeReads closeReads
	extras     atomic.Pointer[extras] // nil until one is needed
	opts       *settings              // constant, except for its lifetime
}

// newConn returns a connection whose handshake is complete.
func newConn(cfg connConfig) *Conn {
	c := &Conn{
		transport: transport{ReadWriteCloser: cfg.transport},
		input:     input{p: cfg.received, step: minInput},
		done:      make(chan struct{}),
		opts:      cfg.settings(),
	}
	c.protocol.Reset(cfg.protocol())
	c.transport.openSocket()
	if c.observed() {
		c.countOpened()
	}
	if c.protocol.Timed() {
		c.schedule(func(clockTime) {})
	}
	return c
}

// protocol returns the configuration of the protocol.
func (cfg *connConfig) protocol() *wsutil.Config {
	p := &wsutil.Config{
		State:            ws.StateServerSide,
		MaxMessage:       cmp.Or(cfg.ReadLimit, DefaultReadLimit),
		MaxFragments:     cfg.MaxFragments,
		FragmentSize:     cfg.FragmentSize,
		CheckUTF8:        cfg.CheckUTF8,
		CloseTimeout:     cmp.Or(max(cfg.CloseTimeout, 0), DefaultCloseTimeout),
		ReadIdleTimeout:  cfg.ReadIdleTimeout,
		KeepAlive:        cfg.KeepAlive,
		KeepAliveTimeout: cfg.KeepAliveTimeout,
		Now:              now(),
	}
	if cfg.client {
		p.State = ws.StateClientSide
	}
	if cfg.flate != nil {
		p.Inflater = wsflate.NewReceiver(*cfg.flate, p.State)
		p.Deflater = wsflate.NewSender(*cfg.flate, p.State, &wsflate.SenderConfig{Level: cfg.CompressionLevel, Threshold: cfg.threshold})
	}
	return p
}

// Subprotocol returns the subprotocol that the handshake negotiated, or "".
func (c *Conn) Subprotocol() string { return c.opts.subprotocol }

// Done returns a channel that is closed when the connection is closed. From
// then on nothing can be written, and only data that has already arrived can be
// read.
func (c *Conn) Done() <-chan struct{} { return c.done }

// SetReadLimit sets the maximum size in bytes, after decompression, of messages
// that reads accept. The limit of a message is the one in effect when its first
// frame arrives, so SetReadLimit also applies to a read that waits for a
// message. 0 means [DefaultReadLimit], and a negative value means no limit. A
// longer message closes the connection with [StatusMessageTooBig], and the read
// returns an error that wraps [ErrMessageTooBig].
func (c *Conn) SetReadLimit(n int64) { c.protocol.SetMaxMessage(cmp.Or(n, DefaultReadLimit)) }

// input is the received data that is not consumed yet. Between messages it
// holds no memory.
type input struct {
	p      []byte
	buffer *bufpool.Buffer // the memory of p, or nil if it is not from the pool
	step   int             // the size of the next read, if the transport is not a socket
}

// Sizes of receive buffers. inputSize is also the size of one read from a
// socket.
const (
	minInput  = 1 << 10
	inputSize = 64 << 10
)

// shrink releases the buffer. If input is left, it moves the input to a smaller
// buffer, because it may take a long time until it is read. A byte is moved
// only a few times.
func (in *input) shrink() {
	old := in.buffer
	switch {
	case old == nil:
		return
	case len(in.p) == 0:
		in.p, in.buffer = nil, nil
	case cap(old.B) > 2*minInput && len(in.p) <= cap(old.B)/4:
		in.buffer = bufpool.Get(len(in.p))
		in.p = append(in.buffer.B, in.p...)
	default:
		return
	}
	old.Free()
}

// drop discards the input.
func (in *input) drop() {
	in.p = nil
	in.shrink()
}
