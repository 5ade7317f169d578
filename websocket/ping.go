package websocket

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
)

// pings are the pings that wait for their pongs, in the order in which they were sent.
type pings struct {
	latency atomic.Int64
	mu      sync.Mutex
	last    uint64 // the number of the last one, which is its payload
	first   *ping
	spare   *ping // to be used again
}

type ping struct {
	id   uint64
	sent clockTime
	pong chan struct{} // of capacity 1; nil if nobody waits
	next *ping
}

// maxPingID is the length of the longest payload of a ping.
const maxPingID = 20

// Ping sends a ping and waits for its pong, which a read has to receive: see
// [Conn.Reader] and [Conn.CloseRead]. [Conn.Latency] returns the time that it took. If
// ctx ends before, the connection stays usable, unless half of the ping was written. In
// a browser, which sends no pings, Ping returns nil at once while the connection is
// open.
func (c *Conn) Ping(ctx context.Context) error {
	if err := c.lock(ctx, forControl); err != nil {
		return err
	}
	if c.transport.isBrowser() {
		c.unlock(0, 0)
		return nil
	}
	p, err := c.sendPing(ctx)
	c.unlock(0, 0)
	if err != nil {
		return err
	}
	select {
	case <-p.pong:
		c.pings.reuse(p)
		return nil
	case <-ctx.Done():
		c.pings.forget(p)
		return &opError{"ping", contextError(ctx, stillOpen)}
	case <-c.done:
		return &opError{"ping", nowClosed(c.ended().err)}
	}
}

// sendPing sends a ping for which a caller waits.
func (c *Conn) sendPing(ctx context.Context) (*ping, error) {
	p := c.pings.awaited()
	b := bufpool.Get(2*maxPingID + ws.MaxHeaderSize)
	defer b.Free()
	id, _ := c.pings.expect(b.B, p)
	out, err := c.protocol.AppendPing(id[len(id):], id)
	if err != nil {
		err = c.refused(err)
	} else {
		err = c.transmit(ctx, out, intact)
	}
	if err != nil {
		c.pings.forget(p)
		return nil, err
	}
	c.countControl(ws.OpPing, true, 0)
	c.pings.wrote(p)
	return p, nil
}

// awaited returns a ping that a caller waits for.
func (s *pings) awaited() *ping {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.spare
	s.spare = nil
	if p == nil {
		p = &ping{pong: make(chan struct{}, 1)}
	}
	return p
}

// reuse keeps p, whose pong has come, for the next one.
func (s *pings) reuse(p *ping) {
	s.mu.Lock()
	s.spare = p
	s.mu.Unlock()
}

// wrote starts the clock of p, which is really written now.
func (s *pings) wrote(p *ping) {
	s.mu.Lock()
	p.sent = now()
	s.mu.Unlock()
}

// expect gives p, or a new ping that nobody waits for, its number, which it appends to
// dst, and returns it. The write lock is held, so that the numbers are sent in their
// order.
func (s *pings) expect(dst []byte, p *ping) ([]byte, *ping) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	if p == nil {
		p = s.unawaited()
	}
	*p = ping{id: s.last, sent: now(), pong: p.pong}
	at := &s.first
	for *at != nil {
		at = &(*at).next
	}
	*at = p
	return strconv.AppendUint(dst, p.id, 10), p
}

// unawaited returns a ping that nobody waits for: the one before, if its pong has not
// come, so that a peer which never answers costs nothing.
func (s *pings) unawaited() *ping {
	for at := &s.first; *at != nil; at = &(*at).next {
		if p := *at; p.pong == nil {
			*at = p.next
			return p
		}
	}
	return new(ping)
}

// forget takes p out of those that wait.
func (s *pings) forget(p *ping) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := &s.first; *at != nil; at = &(*at).next {
		if *at == p {
			*at = p.next
			return
		}
	}
}

// pong ends the wait for the ping of this payload and for all before it: the peer may
// answer only the last one (RFC 6455, section 5.5.3).
func (s *pings) pong(payload []byte) {
	id, ok := parsePingID(payload)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if id > s.last {
		return
	}
	for p := s.first; p != nil && p.id <= id; p = s.first {
		s.first = p.next
		if p.id == id {
			s.latency.Store(int64(now() - p.sent))
		}
		if p.pong != nil {
			p.pong <- struct{}{}
		}
	}
}

// parsePingID is the inverse of what expect appends.
func parsePingID(p []byte) (id uint64, ok bool) {
	if len(p) == 0 || len(p) > maxPingID {
		return 0, false
	}
	for _, b := range p {
		if b < '0' || b > '9' {
			return 0, false
		}
		id = 10*id + uint64(b-'0')
	}
	return id, true
}

// Latency returns how long the last answered ping took, from the moment it was written
// to the arrival of its pong: one of [Conn.Ping] or of the keepalive. It is 0 before
// the first one.
func (c *Conn) Latency() time.Duration { return time.Duration(c.pings.latency.Load()) }
