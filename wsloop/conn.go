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

// Who may touch what:
//
//   - The loop owns the receiving half of the protocol, its times, and the fields
//     below "of the loop". Its goroutine alone touches them.
//   - mu guards the sending half of the protocol and the fields below "under mu". It
//     is held for no callback and for no call that may block. The descriptor is
//     written and closed under it.
//   - loop.mu may be taken while mu is held, not the reverse.

// Conn is a connection on a loop. It is made by [Server.Serve] and [Server.Attach].
// All methods may be called by any number of goroutines at once, also after the end,
// and none of them blocks but [Conn.SendWait].
type Conn struct {
	protocol wsutil.Protocol
	loop     *loop
	handler  *Handler
	held     atomic.Int32 // why the next message is not given to the handler: heldByUser and so on
	settles  atomic.Bool  // the loop is about to write what is sent; cleared under mu

	// Of the loop.
	phase   phase
	flags   connFlags
	id      identity
	began   time.Duration   // when the handshake began, and then when the connection was opened
	until   time.Duration   // the end of the handshake, or of the life; 0 for none
	stash   *bufpool.Buffer // input that was received and not consumed, or nil
	dropped uint32          // bytes that came after a refusal

	// Under mu.
	mu       sync.Mutex
	asks     asks
	blocked  bool     // the transport takes no more for now; the poller waits for it
	reads    bool     // the poller waits for input
	broken   bool     // nothing can be written any longer
	queued   bool     // a Send has said so, and Drain is due for it
	finished bool     // Close was called, or would have been
	armed    interest // what the poller was told
	closing  ws.StatusCode
	fd       int32  // -1 without a descriptor, and when that is closed
	written  uint32 // bytes at the start of out that are written
	link     link   // nil for a plain descriptor
	out      *bufpool.Buffer
	queue    *wsutil.SendQueue // nil until something had to wait
	replies  wsutil.Replies    // pongs that wait
	stalled  time.Duration     // since when blocked and no byte was taken
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
	searched    int             // bytes of head that hold no end of it
	ends        []endFunc       // of OnEnd
}

// endFunc is a function that was given to OnEnd.
type endFunc struct {
	key any
	f   func()
}

// phase is how far a connection has come on its loop.
type phase uint8

const (
	phaseSecure phase = iota // TLS handshake
	phaseHead                // opening handshake
	phaseOpen
	phaseOver // the rest is written, and input dropped
	phaseDead // the transport is closed
)

// connFlags are known to the loop only.
type connFlags uint16

const (
	flagOpened   connFlags = 1 << iota // Open was called, or would have been
	flagFinished                       // Close was called, or would have been
	flagEOF                            // there is no more input
	flagClosing                        // our close frame is due or sent: messages are dropped
	flagAttached                       // the descriptor is a duplicate
	flagRefused                        // the handshake was refused
	flagPing                           // a keepalive ping is due and could not be sent yet
	flagGone                           // it is out of all counts
	flagRefusing                       // a limit was reached: it is told so
	flagLimited                        // the limits of Serve apply
	flagCounted                        // it counts among the connections of its address
	flagUnread                         // input came that was not decoded
	flagLingers                        // nothing more is sent; input is dropped
)

// asks is what a connection wants of its loop.
type asks uint16

const (
	askOpen    asks = 1 << iota // begin
	askRead                     // the link has input
	askWrite                    // the link takes more
	askClose                    // Close was called
	askAbort                    // CloseNow was called
	askResume                   // input may be wanted again
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

// rarely returns c.rare, which is not nil. The caller holds mu.
func (c *Conn) rarely() *rare {
	if c.rare == nil {
		c.rare = new(rare)
	}
	return c.rare
}

// ask enters c in the list of its loop. The caller holds mu.
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

// Close begins the closing handshake. The close frame goes out after what was sent
// before; messages that arrive from now on are dropped. If the peer does not answer
// within CloseTimeout, the connection ends without it. An error, for a code that may
// not be sent or a connection that is closing, changes nothing (RFC 6455, section
// 7.1.2).
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
	c.ask(askClose)
}

// CloseNow ends the connection without a closing handshake. What waits is dropped.
func (c *Conn) CloseNow() {
	c.held.Or(heldByAbort)
	c.askFor(askAbort)
}

// Pause stops reading: messages stay with the peer until Resume, and with them its
// pongs and its close frame. What was received already waits, 64 KiB at most. A
// peer is not silent while nobody listens: ReadIdleTimeout and KeepAliveTimeout do
// not run. Inside Message, the next message waits.
func (c *Conn) Pause() { c.held.Or(heldByUser) }

// Resume undoes Pause.
func (c *Conn) Resume() {
	if c.held.And(^heldByUser)&heldByUser != 0 {
		c.askFor(askResume)
	}
}

// Go runs f on another goroutine, which may block: the rest of a handler that takes
// time. Until f returns, messages are not read, and no function of the Handler but
// Drain is called for this connection, so that order stays; other connections go on. The functions
// of several calls run one after the other. f must not use the payload of a message,
// which is valid until Message returns. Go returns false, and f does not run, if Close
// was called for the connection. A panic of f is as one of the handler.
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

// runTasks runs what Go was given, until nothing is left.
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

// OnEnd has f called once the connection is over, after Close of the Handler, on the
// loop. It takes the place of a function that was given with the same key; a nil f takes
// that out. OnEnd returns false, and f is not called, if Close was called for the
// connection. It is for what holds connections, such as a group of package websocket:
//
//	group.JoinMember(c)
//
// f must not block. A panic of f is as one of the handler.
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

// SetMaxMessage changes MaxMessage of the Config for this connection, from the next
// message on.
func (c *Conn) SetMaxMessage(n int64) {
	if n == 0 {
		n = DefaultMaxMessage
	}
	c.protocol.SetMaxMessage(n)
}

// SetValue makes v what Value returns.
func (c *Conn) SetValue(v any) {
	c.mu.Lock()
	c.value = v
	c.mu.Unlock()
}

// Value returns the value of [Options], or the last one of SetValue.
func (c *Conn) Value() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

// ValueOf returns [Conn.Value] of c as a T, or the zero value if it is none.
func ValueOf[T any](c *Conn) T {
	v, _ := c.Value().(T)
	return v
}

// Subprotocol returns the subprotocol that the handshake agreed on, or "".
func (c *Conn) Subprotocol() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rare == nil {
		return ""
	}
	return c.rare.subprotocol
}

// RemoteAddr returns the address of the peer: the zero value unless that is one of
// TCP. It is valid after the end.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.addr.expand() }

// Server returns the server that runs c.
func (c *Conn) Server() *Server { return c.loop.s }

// Status returns the state of the connection.
func (c *Conn) Status() wsutil.Status { return c.protocol.Status() }

// compactAddr is a netip.AddrPort without a zone, in two thirds of its size.
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

// addrOf returns the address of a connection, if that is one of TCP.
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
	errWriteStalled = errors.New("wsloop: the peer took no bytes for longer than WriteTimeout")
	errAborted      = errors.New("wsloop: CloseNow was called")
	errServerClosed = errors.New("wsloop: the server was closed")
)
