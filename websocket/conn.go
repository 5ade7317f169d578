package websocket

import (
	"cmp"
	"sync/atomic"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// Conn drives a [wsutil.Protocol], which knows what the bytes mean. What is left
// for Conn is I/O, locks, contexts, one timer and callbacks:
//
//   - The read lock (readlock.go) is held by one goroutine for one read, by a Close
//     that waits for the peer's close frame, or by CloseRead's goroutine. It guards
//     the receiving half of the protocol, input, stream and readWatch; its holder
//     alone reads from the transport.
//   - The write lock (writelock.go) is held by one goroutine for one frame. It
//     guards the sending half of the protocol, residue and writeWatch; its holder
//     alone writes to the transport. Replies to the peer never wait for it: they
//     are left with its holder.
//   - sender.mu guards the queue of messages that wait (send.go). Nothing is written and
//     no other lock is taken with it held.
//   - clock.mu guards the time part of the protocol and the timer (clock.go).
//     pings.mu guards the pings that wait for their pongs (ping.go), and closeReads.mu
//     what CloseRead has started. No function of the user is called with one of these held.
//   - The protocol knows how the connection has ended; failure is what it knows, as
//     reads and writes report it. done is closed once, after the transport.
//
// The read lock is taken before the write lock. The holder of the write lock waits
// for nobody but the transport, which shut closes: shut waits for no lock that is
// held while somebody waits.

// Conn is a WebSocket connection. It is made by [Accept], [Dial] or [NewConn].
//
// All methods may be called by any number of goroutines at once, except for reads:
// [Conn.Read], [Conn.ReadAppend], [Conn.Reader], the iterators and the readers
// they return are for one goroutine at a time, and another one gets
// [ErrConcurrentRead].
//
// One goroutine has to read, or else the program calls [Conn.CloseRead]: reads answer
// pings, notice pongs and take the peer's close frame. A connection that is no longer
// needed has to be closed, with [Conn.Close] or [Conn.CloseNow].
type Conn struct {
	transport transport
	protocol  wsutil.Protocol

	read      readLock
	input     input
	stream    *stream // the message that is open for reading, or nil
	readWatch watch

	write      writeLock
	residue    *[]byte // the rest of a frame, to be written before the next one: see NetConn
	writeWatch watch
	sends      atomic.Pointer[sender] // nil until something was queued

	failure    atomic.Pointer[failure] // see Conn.ended
	broken     atomic.Pointer[opError] // writes fail with this, while there may be something to read
	closed     atomic.Bool             // shut was called
	draining   atomic.Uint32           // see drain.go
	callbacks  callbackCount
	done       chan struct{}
	clock      clock
	pings      pings
	closeReads closeReads
	extras     atomic.Pointer[extras] // nil until one was asked for
	opts       *settings              // never changed, but for its life
}

// newConn returns the connection after a handshake.
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

// protocol returns what the protocol is to be like.
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

// Subprotocol returns the subprotocol that the handshake agreed on, or "".
func (c *Conn) Subprotocol() string { return c.opts.subprotocol }

// Done returns a channel that is closed once the connection is closed: nothing more
// can be written, and only what has arrived before can still be read.
func (c *Conn) Done() <-chan struct{} { return c.done }

// SetReadLimit sets the maximum size of a message that reads accept, in bytes after
// decompression. It holds from the next message on, also for a read that waits for
// it: each message has the limit of the time when its first frame arrived. 0 means
// [DefaultReadLimit], a negative value no limit. A longer message closes the
// connection with [StatusMessageTooBig], and the error wraps [ErrMessageTooBig].
func (c *Conn) SetReadLimit(n int64) { c.protocol.SetMaxMessage(cmp.Or(n, DefaultReadLimit)) }

// input is what has arrived and is not consumed yet. Between messages it holds no
// memory.
type input struct {
	p      []byte
	buffer *bufpool.Buffer // where p lies, or nil if that is not memory of the pool
	step   int             // how much the next read from a transport that is not a socket asks for
}

// The sizes of the buffers that receive: inputSize is also how much one read takes
// from a socket.
const (
	minInput  = 1 << 10
	inputSize = 64 << 10
)

// shrink gives the buffer back, or moves what is left to a smaller one: it may have
// to wait for long until it is read. A byte is moved a few times at most.
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

// drop forgets what has arrived.
func (in *input) drop() {
	in.p = nil
	in.shrink()
}
