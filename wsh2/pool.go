package wsh2

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"sync"

	"github.com/wskit/wskit/websocket"
)

// pool holds the connections to one origin. Transport.mu guards all fields
// except changed.
type pool struct {
	origin  string
	conns   []*conn
	flight  *flight // the connection being opened, or nil: one at a time
	waiting int     // how many goroutines use the pool
	changed signal  // a stream or a connection ended, or a limit was raised
}

// flight is a connection that is being opened.
type flight struct {
	landed chan struct{}
	err    error // valid after landed is closed
}

// acquire reserves a stream on a connection to the origin of u, and returns the
// connection.
func (t *Transport) acquire(ctx context.Context, u *url.URL) (*conn, error) {
	if u.Scheme != "https" && u.Scheme != "wss" && !t.Cleartext {
		return nil, fmt.Errorf("scheme %s needs Transport.Cleartext: %w", u.Scheme, websocket.ErrNoExtendedConnect)
	}
	p := t.enter(u)
	defer t.leave(p)
	if err := t.notOffered.Get(p.origin); err != nil {
		return nil, err
	}
	for {
		k, err := t.reserve(p)
		switch {
		case err != nil:
			return nil, err
		case k.conn != nil:
			return k.conn, nil
		case k.fly:
			err = t.fly(ctx, u, p, k.flight)
		default:
			err = k.wait(ctx)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (t *Transport) enter(u *url.URL) *pool {
	origin := u.Scheme + "://" + u.Host
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.pools[origin]
	if p == nil {
		p = &pool{origin: origin}
		if t.pools == nil {
			t.pools = make(map[string]*pool)
		}
		t.pools[origin] = p
	}
	p.waiting++
	return p
}

func (t *Transport) leave(p *pool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p.waiting--
	t.tidy(p)
}

// tidy removes a pool that is not in use. Transport.mu is held.
func (t *Transport) tidy(p *pool) {
	if p.waiting == 0 && len(p.conns) == 0 {
		delete(t.pools, p.origin)
	}
}

// ticket is the result of reserve.
type ticket struct {
	conn    *conn           // with a reserved stream
	flight  *flight         // the connection being opened, if any
	fly     bool            // the caller must open it
	changed <-chan struct{} // otherwise, closed at a change
}

func (t *Transport) reserve(p *pool) (ticket, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ticket{}, errTransportClosed
	}
	k := ticket{changed: p.changed.next()} // before checking conns
	mayDial := p.flight == nil && len(p.conns) < t.maxConns()
	for _, c := range p.conns {
		switch c.reserve() {
		case reserved:
			return ticket{conn: c}, nil
		case forbidden:
			mayDial = false
		}
	}
	if mayDial {
		p.flight, k.fly = &flight{landed: make(chan struct{})}, true
	}
	k.flight = p.flight
	return k, nil
}

// wait returns when the pool may have room, or when the connection being opened
// has failed.
func (k *ticket) wait(ctx context.Context) error {
	var landed chan struct{}
	if k.flight != nil {
		landed = k.flight.landed
	}
	select {
	case <-landed:
		return k.flight.err
	case <-k.changed:
		return nil
	case <-ctx.Done():
		return contextError(ctx)
	}
}

// fly opens a connection and adds it to the pool.
func (t *Transport) fly(ctx context.Context, u *url.URL, p *pool, f *flight) error {
	c, err := t.dial(ctx, u, p)
	if errors.Is(err, websocket.ErrNoExtendedConnect) {
		t.notOffered.Put(p.origin, err, limitTime(t.NotOfferedTime, defaultNotOffered))
	}
	t.mu.Lock()
	p.flight = nil
	if err == nil && t.closed {
		err = errTransportClosed
		c.mu.Lock()
		c.fail(err)
		c.mu.Unlock()
	}
	if err == nil {
		p.conns = append(p.conns, c)
	}
	t.mu.Unlock()
	if err != nil && ctx.Err() == nil { // the end of one caller's context does not concern others
		f.err = err
	}
	close(f.landed)
	if err == nil {
		c.checkAlive(t)
	}
	return err
}

// checkAlive removes c from its pool if it ended before it was added.
func (c *conn) checkAlive(t *Transport) {
	c.mu.Lock()
	ended := c.err != nil
	c.mu.Unlock()
	if ended {
		t.remove(c)
	}
}

// remove removes a connection from its pool.
func (t *Transport) remove(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.pool.conns = slices.DeleteFunc(c.pool.conns, func(o *conn) bool { return o == c })
	t.tidy(c.pool)
	c.pool.changed.tell()
}

// signal wakes up all waiting goroutines. The zero value is ready to use.
type signal struct {
	mu sync.Mutex
	ch chan struct{}
}

// next returns a channel that the next tell closes.
func (s *signal) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

// checkALPN returns an error if the server did not choose HTTP/2 in TLS. A
// connection without TLS is used only with prior knowledge, and passes.
func checkALPN(nc net.Conn) error {
	c, ok := nc.(interface{ ConnectionState() tls.ConnectionState })
	if !ok {
		return nil
	}
	if chosen := c.ConnectionState().NegotiatedProtocol; chosen != "h2" {
		return fmt.Errorf("TLS negotiated protocol %q, want h2: %w", chosen, websocket.ErrNoExtendedConnect)
	}
	return nil
}

// contextError returns why ctx ended.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == cause {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}
