package wsloop

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Server runs connections on a number of loops. [New] creates it. All methods
// are safe for concurrent use.
type Server struct {
	cfg              Config
	handler          *Handler
	handshakeTimeout time.Duration
	writeTimeout     time.Duration
	maxQueued        int // maximum size of a waiting message, or negative
	maxCork          int
	loops            []*loop
	begin            time.Time
	clock            func() time.Duration // of tests, or nil
	compute          chan struct{}        // taken while a TLS handshake computes
	tasks            sync.WaitGroup       // goroutines of pumps, TLS handshakes and Go
	accepted         atomic.Uint64
	refused          atomic.Uint64
	leaving          atomic.Bool // Shutdown was called

	mu        sync.Mutex
	addrs     map[netip.Addr]int // number of connections by address, with MaxConnsPerAddr
	listeners map[*listening]struct{}
	closing   bool // Shutdown or Close was called
	conns     int
	refusing  int           // connections that are being refused
	idle      chan struct{} // closed when closing is set and no connection is left
	running   int           // loops
	ended     chan struct{} // closed when all loops have ended
	err       error         // of a loop
}

// ErrServerClosed is returned by Serve and Attach after Shutdown or Close.
var ErrServerClosed = errors.New("wsloop: the server is closed")

// New starts a server. nil for cfg or h means the zero value. New copies cfg.
// The caller must end the server with [Server.Shutdown] or [Server.Close]. New
// returns an error if the system provides no poller, or if an entry of
// Upgrader.Hosts is not valid.
func New(cfg *Config, h *Handler) (*Server, error) {
	s := &Server{
		handler:   h,
		begin:     time.Now(),
		compute:   make(chan struct{}, runtime.GOMAXPROCS(0)),
		listeners: make(map[*listening]struct{}),
		idle:      make(chan struct{}),
		ended:     make(chan struct{}),
		addrs:     make(map[netip.Addr]int),
	}
	if cfg != nil {
		s.cfg = *cfg
	}
	if h == nil {
		s.handler = new(Handler)
	}
	if err := s.cfg.Upgrader.Validate(); err != nil {
		return nil, err
	}
	s.configure()
	for range s.cfg.loops() {
		l, err := newLoop(s)
		if err != nil {
			for _, l := range s.loops {
				l.poller.close()
			}
			return nil, err
		}
		s.loops = append(s.loops, l)
	}
	s.running = len(s.loops)
	for _, l := range s.loops {
		go l.run()
	}
	return s, nil
}

func (s *Server) configure() {
	s.handshakeTimeout = orDefault(s.cfg.HandshakeTimeout, DefaultHandshakeTimeout)
	s.writeTimeout = orDefault(s.cfg.WriteTimeout, DefaultWriteTimeout)
	s.maxQueued = maxQueued(s.cfg.Queue.MaxBytes)
	s.maxCork = s.cfg.maxCork()
	if s.cfg.TLS != nil {
		s.cfg.TLS = s.cfg.TLS.Clone()
		s.cfg.TLS.NextProtos = []string{"http/1.1"}
	}
}

// now returns the time since the server began.
func (s *Server) now() time.Duration {
	if s.clock != nil {
		return s.clock()
	}
	return time.Since(s.begin)
}

// endOfLife returns when a connection that opens now must close because of
// Lifetime, or 0.
func (s *Server) endOfLife(now time.Duration) time.Duration {
	d := s.cfg.Lifetime
	if d <= 0 {
		return 0
	}
	return later(now, d-jitter(min(s.cfg.LifetimeJitter, d)))
}

// jitter returns a random part of d.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}

// fewest returns the loop with the fewest connections.
func (s *Server) fewest() *loop {
	best := s.loops[0]
	n := best.conns.Load()
	for _, l := range s.loops[1:] {
		if m := l.conns.Load(); m < n {
			best, n = l, m
		}
	}
	return best
}

// add counts a connection and assigns a loop. It returns false if the server is
// closing.
func (s *Server) add(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.conns++
	s.limit(c)
	l := s.fewest()
	l.conns.Add(1)
	c.loop = l
	return true
}

// released uncounts a connection.
func (s *Server) released(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns--
	if c.flags&flagRefusing != 0 {
		s.refusing--
	}
	s.uncount(c)
	s.checkIdle()
}

// checkIdle closes idle when the last connection is gone. mu is held.
func (s *Server) checkIdle() {
	if s.closing && s.conns == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// Attach adds a connection after its handshake by [ws.Upgrade], [ws.Dial],
// [ws.UpgradeHTTP] or a similar function. hs is the result of the handshake.
// br, which may be nil, holds data that was read after the handshake. side is
// [ws.StateServerSide] or [ws.StateClientSide]. o may be nil.
//
// The server owns conn from then on. It duplicates the descriptor of a
// *net.TCPConn or *net.UnixConn and closes conn. Other connections, such as a
// *tls.Conn, need a goroutine that reads. Open may be called before or after
// Attach returns. If Attach returns an error, it has closed conn.
func (s *Server) Attach(conn io.ReadWriteCloser, br *bufio.Reader, hs ws.Handshake, side ws.State, o *Options) (*Conn, error) {
	if conn == nil {
		return nil, errors.New("wsloop: attach: nil connection")
	}
	flate, err := agreedCompression(&hs)
	if err == nil && side.ServerSide() == side.ClientSide() {
		err = errors.New("wsloop: attach: invalid side: want ws.StateServerSide or ws.StateClientSide")
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	transport, received := ws.Detach(conn, br)
	c := &Conn{handler: s.handler, phase: phaseOpen, fd: -1, addr: compact(addrOf(transport))}
	c.take(o, hs.Protocol)
	c.protocol.Reset(s.cfg.protocol(side, flate, s.now()))
	if len(received) > 0 {
		c.stash = bufpool.Get(len(received))
		c.stash.B = append(c.stash.B, received...)
	}
	if err := s.adopt(c, transport); err != nil {
		return nil, err
	}
	return c, nil
}

// adopt assigns the transport and a loop to c. On an error, it closes the
// transport.
func (s *Server) adopt(c *Conn, transport io.ReadWriteCloser) error {
	if !s.cfg.Goroutines {
		fd, ok, err := duplicate(transport)
		if ok {
			transport.Close()
			if err != nil {
				return err
			}
			c.fd = int32(fd)
			c.flags |= flagAttached
		}
	}
	if c.fd < 0 {
		if c.phase == phaseSecure {
			transport = tls.Server(transport.(net.Conn), s.cfg.TLS)
			c.phase = phaseHead // the pump does the handshake
		}
		c.link = newPump(transport)
	} else if c.phase == phaseSecure {
		c.link = newSecure(c, s.cfg.TLS)
	}
	if !s.add(c) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.closeTransport()
		return ErrServerClosed
	}
	c.askFor(askOpen)
	return nil
}

// Conns returns the number of connections, including those in an opening or
// closing handshake.
func (s *Server) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// Shutdown ends the server: it stops accepting, sends each connection a close
// frame with [ws.StatusGoingAway], spread over ShutdownSpread, and waits until
// all connections have ended and all their functions have returned. When ctx
// ends before that, it closes the remaining connections and returns the cause.
// Shutdown waits for handlers, so a handler may call it only on another
// goroutine.
func (s *Server) Shutdown(ctx context.Context) error {
	idle := s.stop()
	s.leaving.Store(true)
	for _, l := range s.loops {
		l.do((*loop).goAway)
	}
	var err error
	if idle != nil {
		select {
		case <-idle:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	s.Close()
	done := make(chan struct{})
	go func() {
		<-s.ended
		s.tasks.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		if err == nil {
			err = context.Cause(ctx)
		}
	}
	return err
}

// stop stops accepting. It returns a channel that is closed when no connections
// are left, or nil if there are none now.
func (s *Server) stop() <-chan struct{} {
	s.mu.Lock()
	s.closing = true
	listeners := slices.Collect(maps.Keys(s.listeners))
	idle := s.idle
	s.checkIdle()
	s.mu.Unlock()
	for _, ln := range listeners {
		ln.stop()
	}
	return idle
}

// Close ends the server at once: it closes all connections without a closing
// handshake, and calls Close of their handlers. It does not wait, except for
// Close of a listener that is neither a *net.TCPListener nor a
// *net.UnixListener. A handler may call it.
func (s *Server) Close() error {
	s.stop()
	for _, l := range s.loops {
		l.mu.Lock()
		l.quit = true
		l.rouse()
		l.mu.Unlock()
	}
	return nil
}

// loopEnded records that a loop has ended.
func (s *Server) loopEnded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running--; s.running == 0 {
		close(s.ended)
	}
}

// fail ends the server because of a permanent error of a loop.
func (s *Server) fail(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.mu.Unlock()
	s.Close()
}

// endAll releases the remaining connections when the loop ends. It reports
// whether none is left.
func (l *loop) endAll() bool {
	l.ending = true
	for _, a := range l.acceptors {
		a.close(l)
	}
	for _, c := range l.slots {
		if c != nil {
			c.fail(errServerClosed)
			l.release(c)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.list) == 0 && len(l.tasks) == 0 && l.conns.Load() == 0
}

// goAway closes all connections of the loop, spread over a time. It calls no
// function of a handler, which could end the goroutine before all are closed.
func (l *loop) goAway() {
	for _, c := range l.slots {
		if c != nil {
			l.dismiss(c)
		}
	}
}

// dismiss closes a connection because of Shutdown.
func (l *loop) dismiss(c *Conn) {
	spread := l.s.cfg.ShutdownSpread
	switch {
	case c.phase < phaseOpen:
		l.release(c)
	case c.phase > phaseOpen:
	case spread <= 0:
		l.expire(c)
	default:
		at := later(l.now, jitter(spread))
		if c.until == 0 || at < c.until {
			c.until = at
		}
	}
}

// maxQueued returns the maximum size of a waiting message, or -1 for no limit.
func maxQueued(n int) int {
	switch {
	case n < 0:
		return -1
	case n == 0:
		return wsutil.DefaultSendQueueBytes
	}
	return n
}
