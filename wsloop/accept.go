package wsloop

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/ws"
)

const (
	maxAccepts  = 64 // connections accepted in an iteration
	maxRefusing = 64 // connections that are being refused at the same time
	minDelay    = time.Millisecond
	maxDelay    = time.Second
)

// listening is one call of Serve.
type listening struct {
	s        *Server
	l        net.Listener
	acceptor *acceptor // nil if Accept of l is called
	stopped  atomic.Bool
	done     chan struct{}
	err      error // set before done is closed
}

// Serve accepts connections from l, performs the opening handshake of each, and
// gives it to the loop with the fewest connections. When Serve returns, l is
// closed. It returns [ErrServerClosed] after Shutdown or Close, or an error of
// l. It may be called for several listeners.
//
// From a *net.TCPListener or *net.UnixListener Serve uses a duplicate of the
// descriptor, so that closing l does not end Serve. It calls Accept of other
// listeners.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	ln := &listening{s: s, l: l, done: make(chan struct{})}
	if !s.cfg.Goroutines {
		fd, ok, err := duplicate(l)
		if err != nil {
			return err
		}
		if ok {
			ln.acceptor = &acceptor{listening: ln, fd: fd, reserve: reserve()}
		}
	}
	if !s.listen(ln) {
		ln.acceptor.release()
		return ErrServerClosed
	}
	defer s.forget(ln)
	if ln.acceptor == nil {
		return ln.acceptAll()
	}
	<-ln.done
	return ln.err
}

// listen registers the listener, and begins to accept if it has an acceptor. It
// reports false if the server is closing. It holds the lock for both, so that
// the acceptor cannot be closed before it is opened.
func (s *Server) listen(ln *listening) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	if ln.acceptor != nil && !s.loops[0].do(ln.acceptor.open) {
		return false
	}
	s.listeners[ln] = struct{}{}
	return true
}

func (s *Server) forget(ln *listening) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, ln)
}

// stop ends Serve because of Shutdown or Close. Close of the listener may block,
// so no lock is held.
func (ln *listening) stop() {
	if ln.stopped.Swap(true) {
		return
	}
	if a := ln.acceptor; a != nil {
		ln.s.loops[0].do(a.close)
		return
	}
	ln.l.Close()
}

// acceptAll calls Accept until it returns a permanent error.
func (ln *listening) acceptAll() error {
	delay := time.Duration(0)
	for {
		conn, err := ln.l.Accept()
		switch {
		case err == nil:
			delay = 0
			ln.s.incoming(conn)
		case errors.Is(err, net.ErrClosed):
			if ln.stopped.Load() {
				return ErrServerClosed
			}
			return err
		default:
			if ne, ok := errors.AsType[net.Error](err); !ok || !ne.Timeout() && !isExhausted(err) {
				return fmt.Errorf("wsloop: accept: %w", err)
			}
			delay = min(max(2*delay, minDelay), maxDelay)
			time.Sleep(delay)
		}
	}
}

// newConn returns a connection before its handshake.
func (s *Server) newConn(from netip.AddrPort) *Conn {
	c := &Conn{handler: s.handler, phase: phaseHead, fd: -1, addr: compact(from)}
	if s.cfg.TLS != nil {
		c.phase = phaseSecure
	}
	c.flags |= flagLimited
	s.accepted.Add(1)
	return c
}

// incoming adds a connection of a listener without a descriptor, or of a server
// without a poller.
func (s *Server) incoming(conn net.Conn) {
	s.adopt(s.newConn(addrOf(conn)), conn)
}

// incomingDescriptor adds a connection that the server accepted from a
// descriptor.
func (s *Server) incomingDescriptor(fd int, from netip.AddrPort) {
	c := s.newConn(from)
	c.fd = int32(fd)
	if c.phase == phaseSecure {
		c.link = newSecure(c, s.cfg.TLS)
	}
	if !s.add(c) {
		closeDescriptor(fd)
		return
	}
	c.askFor(askOpen)
}

// limit applies MaxConns and MaxConnsPerAddr to a connection that was counted.
// mu is held.
func (s *Server) limit(c *Conn) {
	ip := c.addr.expand().Addr()
	if s.cfg.MaxConnsPerAddr > 0 && ip.IsValid() {
		s.addrs[ip]++
		c.flags |= flagCounted
	}
	if c.flags&flagLimited == 0 {
		return
	}
	over := s.cfg.MaxConns > 0 && s.conns-s.refusing > s.cfg.MaxConns ||
		c.flags&flagCounted != 0 && s.addrs[ip] > s.cfg.MaxConnsPerAddr
	if over {
		s.refusing++
		c.flags |= flagRefusing
		s.uncount(c)
		if s.refusing > maxRefusing || c.phase == phaseSecure {
			c.asks |= askAbort // an answer would take too long, or would need TLS
		}
	}
}

// uncount removes a connection from those of its address. mu is held.
func (s *Server) uncount(c *Conn) {
	if c.flags&flagCounted == 0 {
		return
	}
	c.flags &^= flagCounted
	ip := c.addr.expand().Addr()
	if s.addrs[ip]--; s.addrs[ip] <= 0 {
		delete(s.addrs, ip)
	}
}

// acceptor accepts connections on a loop.
type acceptor struct {
	*listening
	fd       int
	id       identity
	watched  bool
	delay    time.Duration // the last one
	resumeAt time.Duration
	reserve  int // a descriptor kept for refusing clients when no other is left, or -1
}

// open begins to accept.
func (a *acceptor) open(l *loop) {
	a.id = identity{listenerSlot, uint32(len(l.acceptors))}
	l.acceptors = append(l.acceptors, a)
	a.watch(l)
}

func (a *acceptor) watch(l *loop) {
	if err := l.poller.arm(a.fd, a.id, 0, wantIn); err != nil {
		a.end(l, err)
		return
	}
	a.watched = true
}

// accept accepts waiting connections, up to maxAccepts.
func (a *acceptor) accept(l *loop) {
	for i := 0; i < maxAccepts && a.fd >= 0; i++ {
		fd, from, result, err := accept(a.fd)
		switch result {
		case acceptedOne:
			a.delay = 0
			a.s.incomingDescriptor(fd, from)
		case acceptedNone:
			return
		case acceptedExhausted:
			a.pause(l)
			return
		case acceptedFailed:
			a.end(l, err)
			return
		}
	}
}

// pause removes the listener from the poller for a while, because no descriptor
// is left for another connection and the poller would report the same client
// repeatedly. Clients wait in the queue of the kernel. After a second, they are
// refused.
func (a *acceptor) pause(l *loop) {
	if a.delay == maxDelay {
		a.refuse()
	}
	a.delay = min(max(2*a.delay, minDelay), maxDelay)
	a.resumeAt = later(l.now, a.delay)
	if a.watched {
		l.poller.arm(a.fd, a.id, wantIn, 0)
		a.watched = false
	}
}

func (a *acceptor) paused() bool { return a.fd >= 0 && !a.watched }

// resume ends a pause when its time has come.
func (a *acceptor) resume(l *loop) {
	if a.paused() && a.resumeAt <= l.now {
		a.watch(l)
	}
}

// refuse uses the reserved descriptor to accept clients and refuse them.
func (a *acceptor) refuse() {
	for range maxAccepts {
		if a.reserve < 0 {
			break
		}
		closeDescriptor(a.reserve)
		fd, _, result, _ := accept(a.fd)
		if result == acceptedOne {
			a.s.countRefused(http.StatusServiceUnavailable)
			writeDescriptor(fd, ws.AppendRefusal(nil, nil, errUnavailable))
			closeWriteDescriptor(fd)
			closeDescriptor(fd)
		}
		a.reserve = reserve()
		if result != acceptedOne {
			break
		}
	}
	if a.reserve < 0 {
		a.reserve = reserve()
	}
}

// close ends Serve because of Shutdown or Close.
func (a *acceptor) close(l *loop) {
	a.s.mu.Lock()
	err := cmp.Or(a.s.err, ErrServerClosed)
	a.s.mu.Unlock()
	a.end(l, err)
}

// end ends Serve because of err.
func (a *acceptor) end(l *loop, err error) {
	if a.fd < 0 {
		return
	}
	if a.watched {
		l.poller.arm(a.fd, a.id, wantIn, 0)
	}
	a.release()
	a.err = err
	close(a.done)
}

// release closes the descriptors. a may be nil.
func (a *acceptor) release() {
	if a == nil {
		return
	}
	closeDescriptor(a.fd)
	if a.reserve >= 0 {
		closeDescriptor(a.reserve)
	}
	a.fd, a.reserve, a.watched = -1, -1, false
}
