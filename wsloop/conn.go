package wsloop

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Ownership:
//
//   - The loop owns the receiving half of the protocol, its times, and the fields
//     below "of the loop". Only its goroutine accesses them.
//   - mu guards the sending half of the protocol and the fields below "under mu". It
//     is held for no callback and for no call that may block. The descriptor is
//     written and closed under it.
//   - loop.mu may be taken while mu is held, not the reverse.

// Conn is a connection on a loop. [Server.Serve] and [Server.Attach] create it.
// All methods are safe for concurrent use, also after the end of the
// connection. Only [Conn.SendWait] blocks.
type Conn struct {
	protocol wsutil.Protocol
	loop     *loop
	handler  *Handler
	held     atomic.Int32 // why the next message is held back from the handler: heldByUser etc.
	settles  atomic.Bool  // the loop will write what is sent; cleared under mu

	// Of the loop.
	phase   phase
	flags   connFlags
	id      identity
	began   time.Duration   // start of the handshake, and later of the open connection
	until   time.Duration   // when the handshake or the lifetime ends; 0 for no limit
	stash   *bufpool.Buffer // input that was received and not consumed, or nil
	dropped uint32          // bytes that came after a refusal

	// Under mu.
	mu       sync.Mutex
	asks     asks
	blocked  bool     // the transport accepts no more for now; the poller waits until it does
	reads    bool     // the poller waits for input
	broken   bool     // nothing can be written any longer
	queued   bool     // a Send has queued a message: Drain is due
	finished bool     // Close of the handler was called, if it has one
	armed    interest // the interest that the poller has
	closing  ws.StatusCode
	fd       int32  // -1 without a descriptor, and after it was closed
	written  uint32 // bytes at the start of out that are written
	link     link   // nil for a plain descriptor
	out      *bufpool.Buffer
	queue    *wsutil.SendQueue // nil until something had to wait
	replies  wsutil.Replies    // pongs that wait
	stalled  time.Duration     // while blocked: when the transport last accepted data, or blocked
	value    any
	rare     *rare // nil for most

	addr compactAddr // never changed
}

// rare is the state that most open connections do not have.
type rare struct {
	subprotocol string
	reason      string          // of our close frame
	cause       error           // why the loop has ended the connection
	tasks       []func()        // of Go
	running     bool            // a goroutine runs the tasks
	room        chan struct{}   // closed when a SendWait may try again
	head        *bufpool.Buffer // the beginning of a request
	searched    int             // bytes of head that were searched for its end
	ends        []endFunc       // of OnEnd
}

// endFunc is a function that was given to OnEnd.
type endFunc struct {
	key any
	f   func()
}

// phase is the phase of a connection on its loop.
type phase uint8

const (
	phaseSecure phase = iota // TLS handshake
	phaseHead                // opening handshake
	phaseOpen
	phaseOver // pending output is written, and input is dropped
	phaseDead // the transport is closed
)

// connFlags are accessed only by the loop.
type connFlags uint16

const (
	flagOpened   connFlags = 1 << iota // Open of the handler was called, if it has one
	flagFinished                       // Close of the handler was called, if it has one
	flagEOF                            // there is no more input
	flagClosing                        // our close frame is due or sent: messages are dropped
	flagAttached                       // the descriptor is a duplicate
	flagRefused                        // the handshake was refused
	flagPing                           // a keepalive ping is due and could not be sent yet
	flagGone                           // the connection no longer counts
	flagRefusing                       // a limit was reached: the connection is being refused
	flagLimited                        // the limits of Serve apply
	flagCounted                        // counts among the connections of its address
	flagUnread                         // received input was not decoded
	flagLingers                        // nothing more is sent; input is dropped
)

// asks is a set of requests of a connection to its loop.
type asks uint16

const (
	askOpen    asks = 1 << iota // begin
	askRead                     // the link has received input
	askWrite                    // the link accepts more output
	askClose                    // Close was called
	askAbort                    // CloseNow was called
	askResume                   // a reason to hold input may have ended
	askSecured                  // the TLS handshake is over
	askListed                   // the connection is in the list of its loop
)

const (
	heldByUser  = 1 << iota // Pause was called
	heldByGo                // a function of Go runs
	heldByClose             // Close was called: messages are dropped
	heldByAbort             // CloseNow was called

	heldInput = heldByUser | heldByGo
)

// ErrClosed is returned by methods of a connection that is over or closing.
var ErrClosed = wsutil.ErrClosing

// rarely returns c.rare, and allocates it if it is nil. The caller holds mu.
func (c *Conn) rarely() *rare {
	if c.rare == nil {
		c.rare = new(rare)
	}
	return c.rare
}

// ask adds c to the list of its loop. The caller holds mu.
func (c *Conn) ask(a asks) {
	listed := c.asks&askListed != 0
	c.asks |= a | askListed
	if !listed {
		c.loop.enter(c)
	}
}

// askFor is ask for callers that do not hold mu.
func (c *Conn) askFor(a asks) {
	c.mu.Lock()
	c.ask(a)
	c.mu.Unlock()
}

// Close begins the closing handshake (RFC 6455, section 7.1.2). The close frame
// follows the messages that were sent before. Messages that arrive after the
// call are dropped. If the peer does not answer within CloseTimeout, the
// connection ends without its close frame. Close returns an error, and does
// nothing, if the code may not be sent or the connection is already closing.
func (c *Conn) Close(code ws.StatusCode, reason string) error {
	if code == 0 {
		code = ws.StatusNoStatusRcvd
	}
	if code != ws.StatusNoStatusRcvd && !code.MayBeSent() {
		return wsutil.ErrNotSendableCode
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.sendable() {
		return ErrClosed
	}
	c.startClose(code, reason)
	return nil
}

// startClose makes a close frame due. The caller holds mu.
func (c *Conn) startClose(code ws.StatusCode, reason string) {
	if c.closing != 0 {
		return
	}
	c.closing = code
	c.held.Or(heldByClose)
	if reason != "" {
		c.rarely().reason = reason
	}
	if c.queue != nil {
		c.queue.Close()
	}
	c.roomMade() // SendWait returns ErrClosed
	c.ask(askClose)
}

// CloseNow ends the connection without a closing handshake. Messages that wait
// are dropped.
func (c *Conn) CloseNow() {
	c.held.Or(heldByAbort)
	c.askFor(askAbort)
}

// Pause stops reading until Resume. Messages, pongs and the close frame of the
// peer stay in the transport. Data that was already received, at most 64 KiB,
// waits. ReadIdleTimeout and KeepAliveTimeout do not run while reading is
// paused. If Message calls Pause, the next message waits.
func (c *Conn) Pause() { c.held.Or(heldByUser) }

// Resume undoes Pause.
func (c *Conn) Resume() {
	if c.held.And(^heldByUser)&heldByUser != 0 {
		c.askFor(askResume)
	}
}

// Go runs f on another goroutine, where it may block. Until f returns, no
// messages are read from this connection, and Drain is the only callback that
// is called for it, so that the order of messages is kept. Other connections
// continue. Functions of several calls run one after another. f must not use
// the payload of a message, because it is only valid until Message returns. If
// Close of the Handler was already called, Go returns false and does not run f.
// A panic of f has the same effect as a panic of the handler.
func (c *Conn) Go(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.rarely()
	if c.finished {
		return false
	}
	r.tasks = append(r.tasks, f)
	if !r.running {
		r.running = true
		c.held.Or(heldByGo)
		c.loop.s.tasks.Add(1)
		go c.runTasks()
	}
	return true
}

// runTasks runs the functions given to Go until none is left.
func (c *Conn) runTasks() {
	returned := false
	defer func() {
		if !returned { // a panic, or the end of the goroutine
			c.panicked(recover())
			go c.runTasks() // the others run
			return
		}
		c.loop.s.tasks.Done()
	}()
	for {
		c.mu.Lock()
		r := c.rare
		if len(r.tasks) == 0 {
			r.tasks, r.running = nil, false
			c.held.And(^heldByGo)
			c.ask(askResume)
			c.mu.Unlock()
			returned = true
			return
		}
		f := r.tasks[0]
		r.tasks = r.tasks[1:]
		c.mu.Unlock()
		f()
	}
}

// OnEnd registers f, which the loop calls after the connection has ended and
// Close of the Handler has returned. f replaces a function with the same key; a
// nil f removes it. If Close of the Handler was already called, OnEnd returns
// false and does not register f. OnEnd is for containers of connections, such
// as a group of package websocket:
//
//	group.JoinMember(c)
//
// f must not block. A panic of f has the same effect as a panic of the handler.
func (c *Conn) OnEnd(key any, f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.finished {
		return false
	}
	if f == nil && c.rare == nil {
		return true
	}
	r := c.rarely()
	r.ends = slices.DeleteFunc(r.ends, func(e endFunc) bool { return e.key == key })
	if f != nil {
		r.ends = append(r.ends, endFunc{key, f})
	}
	return true
}

// SetMaxMessage overrides Config.MaxMessage for this connection, starting with
// the next message.
func (c *Conn) SetMaxMessage(n int64) {
	if n == 0 {
		n = DefaultMaxMessage
	}
	c.protocol.SetMaxMessage(n)
}

// SetValue sets the value that Value returns.
func (c *Conn) SetValue(v any) {
	c.mu.Lock()
	c.value = v
	c.mu.Unlock()
}

// Value returns the value of the last call to SetValue, or else the value of
// [Options].
func (c *Conn) Value() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

// ValueOf returns [Conn.Value] of c as a T, or the zero value if it is not a T.
func ValueOf[T any](c *Conn) T {
	v, _ := c.Value().(T)
	return v
}

// Subprotocol returns the negotiated subprotocol, or "".
func (c *Conn) Subprotocol() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rare == nil {
		return ""
	}
	return c.rare.subprotocol
}

// RemoteAddr returns the TCP address of the peer, or the zero value if the
// transport is not TCP. It may be called after the end of the connection.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.addr.expand() }

// Server returns the server that runs c.
func (c *Conn) Server() *Server { return c.loop.s }

// Status returns the state of the connection.
func (c *Conn) Status() wsutil.Status { return c.protocol.Status() }

// compactAddr is a netip.AddrPort without a zone, in two thirds of the size.
type compactAddr struct {
	ip   [16]byte
	port uint16
	bits uint8 // 32, 128, or 0 for none
}

func compact(a netip.AddrPort) (c compactAddr) {
	if a.IsValid() {
		c = compactAddr{ip: a.Addr().As16(), port: a.Port(), bits: uint8(a.Addr().BitLen())}
	}
	return c
}

func (c compactAddr) expand() netip.AddrPort {
	ip := netip.AddrFrom16(c.ip)
	switch c.bits {
	case 0:
		return netip.AddrPort{}
	case 32:
		ip = ip.Unmap()
	}
	return netip.AddrPortFrom(ip, c.port)
}

// addrOf returns the remote address of a TCP connection, or the zero value.
func addrOf(conn any) netip.AddrPort {
	if c, ok := conn.(net.Conn); ok {
		if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
			p := a.AddrPort()
			return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
		}
	}
	return netip.AddrPort{}
}

var (
	errWriteStalled = errors.New("wsloop: the peer did not read what was written in time")
	errAborted      = errors.New("wsloop: CloseNow was called")
	errServerClosed = errors.New("wsloop: the server was closed")
)
