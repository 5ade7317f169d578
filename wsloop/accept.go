package wsloop

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/wskit/wskit/ws"
)

const (
	acceptMost   = 64 // connections that a turn accepts
	refusingMost = 64 // connections that are told of a limit at the same time
	minDelay     = time.Millisecond
	maxDelay     = time.Second
)

// listening is one call of Serve.
type listening struct {
	s        *Server
	l        net.Listener
	acceptor *acceptor // nil if Accept of l is called
	stopped  bool      // guarded by Server.mu
	done     chan struct{}
	err      error // set before done is closed
}

// Serve accepts connections from l, does the opening handshake of each and hands it to
// the loop that has the fewest. It closes l when it returns: with [ErrServerClosed] after
// Shutdown or Close, or with an error of l. It may be called for several listeners.
//
// From a *net.TCPListener or *net.UnixListener it takes a duplicate of the
// descriptor: l.Close alone does not end Serve then. From others it calls Accept.
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
		if a := ln.acceptor; a != nil {
			closeDescriptor(a.fd)
		}
		return ErrServerClosed
	}
	defer s.forget(ln)
	if ln.acceptor == nil {
		return ln.acceptAll()
	}
	if s.loops[0].do(ln.acceptor.open) {
		<-ln.done
		return ln.err
	}
	closeDescriptor(ln.acceptor.fd)
	return ErrServerClosed
}

// listen notes the listener. It reports false if the server is closing.
func (s *Server) listen(ln *listening) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
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

// stop ends Serve because of Shutdown or Close. Server.mu is held.
func (ln *listening) stop() {
	if ln.stopped {
		return
	}
	ln.stopped = true
	if a := ln.acceptor; a != nil {
		ln.s.loops[0].do(a.close)
		return
	}
	ln.l.Close()
}

// acceptAll calls Accept until that fails for good.
func (ln *listening) acceptAll() error {
	delay := time.Duration(0)
	for {
		conn, err := ln.l.Accept()
		switch {
		case err == nil:
			delay = 0
			ln.s.incoming(conn)
		case errors.Is(err, net.ErrClosed):
			if ln.isStopped() {
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

func (ln *listening) isStopped() bool {
	ln.s.mu.Lock()
	defer ln.s.mu.Unlock()
	return ln.stopped
}

// newConn returns a connection whose handshake is to be done.
func (s *Server) newConn(from netip.AddrPort) *Conn {
	c := &Conn{handler: s.handler, phase: phaseHead, fd: -1, addr: compact(from)}
	if s.cfg.TLS != nil {
		c.phase = phaseSecure
	}
	c.flags |= flagLimited
	s.accepted.Add(1)
	return c
}

// incoming takes a connection of a listener that is no socket, or runs without a
// poller.
func (s *Server) incoming(conn net.Conn) {
	s.adopt(s.newConn(addrOf(conn)), conn)
}

// incomingDescriptor takes a connection that the server has accepted by itself.
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

// limit applies MaxConns and MaxConnsPerAddr to a connection that was counted. mu is
// held.
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
		if c.flags&flagCounted != 0 {
			s.addrs[ip]--
			c.flags &^= flagCounted
		}
		if s.refusing > refusingMost || c.phase == phaseSecure {
			c.asks |= askAbort // there is no time to be polite, or no TLS to be polite in
		}
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
	reserve  int // a descriptor to refuse with when there is no other one, or -1
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

// accept accepts what waits, up to the most of a turn.
func (a *acceptor) accept(l *loop) {
	for i := 0; i < acceptMost && a.fd >= 0; i++ {
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

// pause takes the listener out of the poller for a while: there is no descriptor for
// another connection, and the poller would report the same client over and over.
// Clients wait in the queue of the kernel until then. When that has gone on for a
// second, they are refused.
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

// resume goes on after a pause that is over.
func (a *acceptor) resume(l *loop) {
	if a.paused() && a.resumeAt <= l.now {
		a.watch(l)
	}
}

// refuse gives up the reserved descriptor to accept clients and to refuse them.
func (a *acceptor) refuse() {
	for range acceptMost {
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
	closeDescriptor(a.fd)
	if a.reserve >= 0 {
		closeDescriptor(a.reserve)
	}
	a.fd, a.reserve, a.watched = -1, -1, false
	a.err = err
	close(a.done)
}
