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

// pings are the pings that wait for their pongs, in the order in which they
// were sent.
type pings struct {
	latency atomic.Int64
	mu      sync.Mutex
	last    uint64 // the number of the last ping, which is its payload
	first   *ping
	spare   *ping // to be reused
}

type ping struct {
	id   uint64
	sent clockTime
	pong chan struct{} // capacity 1; nil if no caller waits
	next *ping
}

// maxPingID is the maximum length of the payload of a ping.
const maxPingID = 20

// Ping sends a ping and waits for its pong, which a concurrent read must
// receive: see [Conn.Reader] and [Conn.CloseRead]. [Conn.Latency] returns the
// round-trip time. If ctx ends, the connection stays usable, unless the ping
// was written partly. In a browser, which cannot send pings, Ping returns nil
// at once while the connection is open.
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

// awaited returns a new ping for a caller that waits for it.
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

// reuse keeps p for the next ping.
func (s *pings) reuse(p *ping) {
	s.mu.Lock()
	s.spare = p
	s.mu.Unlock()
}

// wrote records the time at which p was written.
func (s *pings) wrote(p *ping) {
	s.mu.Lock()
	p.sent = now()
	s.mu.Unlock()
}

// expect assigns the next number to p, or to a new ping without a caller if p
// is nil. It appends the number to dst and returns the ping. The write lock is
// held, so that numbers are sent in order.
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

// unawaited returns a ping without a caller. It reuses the previous one if its
// pong has not arrived, so that a peer that never answers uses no memory.
func (s *pings) unawaited() *ping {
	for at := &s.first; *at != nil; at = &(*at).next {
		if p := *at; p.pong == nil {
			*at = p.next
			return p
		}
	}
	return new(ping)
}

// forget removes p from the pings that wait.
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

// pong completes the ping with this payload and all earlier ones, because the
// peer may answer only the last one (RFC 6455, section 5.5.3).
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

// Latency returns the round-trip time of the last ping that was answered, of
// [Conn.Ping] or of the keepalive. It is 0 before the first pong.
func (c *Conn) Latency() time.Duration { return time.Duration(c.pings.latency.Load()) }
