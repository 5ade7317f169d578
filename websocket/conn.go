package websocket

import (
	"sync"
	"sync/atomic"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// Who may do what, and which lock guards it:
//
//   - The turn to read (Conn.reader, reader.go) belongs to one goroutine at a time: a
//     Read, a Close that waits for the peer's close frame, or CloseRead's. It owns the
//     receiving half of the protocol, the input, the stream, the inflater, readWatch,
//     and alone reads from the transport.
//   - The turn to write (Conn.turn, turn.go) belongs to one goroutine for one frame. It
//     owns the sending half of the protocol, the deflater, writeWatch, and alone writes
//     to the transport. Replies to the peer never wait for it: they are left with its
//     holder.
//   - mu guards the pings (ping.go), and clock.mu the times (clock.go). Nothing is called
//     with mu or clock.mu held, and neither is ever taken inside of the other.
//   - failure is set once, by whoever finds out first, and says for ever how the
//     connection ended. done is closed once, after the transport.
//
// Turns are taken in the order read, write. Who holds the turn to write waits for nobody
// but the transport, which shut closes: shut needs no turn and no lock that is held
// while somebody waits.

// Conn is a WebSocket connection. It is made by [Accept], [Dial] or [NewConn].
//
// All methods may be called by any number of goroutines at once, but for the reads:
// [Conn.Read], [Conn.ReadAppend], [Conn.Reader], [Conn.Messages] and the readers they
// return are for one goroutine at a time, and another one gets [ErrConcurrentRead].
//
// Somebody has to read, or else [Conn.CloseRead] has to be called: pings are answered,
// pongs noticed and the peer's close frame is taken by reads. A connection that is no
// longer needed has to be closed, with [Conn.Close] or [Conn.CloseNow].
type Conn struct {
	transport transport
	protocol  wsutil.Protocol

	// The turn to read.
	reader    reader
	input     *buffer // where in lies, nil if that is not memory of a pool
	in        []byte  // received and not yet parsed; while a socket is read, where its bytes go, if not to input
	got       int     // what it has got
	gotErr    error
	step      int     // how much the next read from another transport asks for
	most      int64   // the read limit of the message that is read, or of the next one
	half      bool    // a message is open: some of it has left the protocol, and more is to come
	timed     bool    // reads keep a time: ReadIdleTimeout or KeepAlive is set
	stream    *stream // the message that is open for reading, or nil
	inflater  *wsflate.Receiver
	readWatch watch

	// The turn to write.
	turn       turn
	deflater   *wsflate.Sender
	writeWatch watch
	residue    []byte // of a frame, to be written before the next one: see NetConn
	fragment   int    // the most bytes of a frame of a message that is not compressed

	failure   atomic.Pointer[failure]
	broken    atomic.Pointer[opError] // writes fail with this, while there may be something to read
	closed    atomic.Bool             // shut has been called
	calling   atomic.Bool             // a callback of who has the turn to read is under way
	observers atomic.Int32            // other hooks that are under way
	limit     atomic.Int64
	latency   atomic.Int64
	done      chan struct{}
	clock     clock
	alive     *liveness // if timed
	mu        sync.Mutex
	pings     pings
	closeRead *closeRead // guarded by mu

	client bool
	opts   *settings // never changed
}

// newConn returns the connection behind a handshake.
func newConn(cfg connConfig) *Conn {
	c := &Conn{
		transport: transport{ReadWriteCloser: cfg.transport},
		in:        cfg.received,
		step:      minBuffer,
		timed:     cfg.ReadIdleTimeout > 0 || cfg.KeepAlive > 0,
		done:      make(chan struct{}),
		client:    cfg.client,
		fragment:  cfg.fragmentSize(),
		opts:      cfg.settings(),
	}
	if c.timed {
		c.alive = new(liveness)
	}
	state := ws.StateServerSide
	if cfg.client {
		state = ws.StateClientSide
	}
	if cfg.flate != nil {
		state |= ws.StateRSV1
		c.compress(*cfg.flate, state, cfg.threshold)
	}
	c.SetReadLimit(cfg.readLimit())
	c.protocol.Reset(&wsutil.Config{State: state})
	c.takeLimit()
	c.openSocket()
	c.startKeepAlive()
	return c
}

// Subprotocol returns the subprotocol that the handshake agreed on, "" if none.
func (c *Conn) Subprotocol() string { return c.opts.subprotocol }

// Done returns a channel that is closed once the connection is: nothing more can be
// written, and there is nothing to read but what had arrived.
func (c *Conn) Done() <-chan struct{} { return c.done }
