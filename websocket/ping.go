package websocket

import (
	"context"
	"strconv"
	"time"

	"github.com/wskit/wskit/ws"
)

// pings are the pings that wait for their pongs, in the order in which they were sent.
type pings struct {
	last  uint64 // the number of the last one, which is its payload
	first *ping
	spare *ping // to be used again
}

type ping struct {
	id   uint64
	sent int64
	pong chan struct{} // of capacity 1; nil if nobody waits
	next *ping
}

// maxPingID is the length of the longest payload of a ping.
const maxPingID = 20

// Ping sends a ping and waits for its pong, which some read has to receive: see
// [Conn.Reader] and [Conn.CloseRead]. The time that it took is what [Conn.Latency] returns
// then. If ctx ends before, the connection stays usable, unless half of the ping was
// written. In a browser, which sends no pings, it returns nil at once while the connection is open.
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
		c.mu.Lock()
		c.pings.spare = p
		c.mu.Unlock()
		return nil
	case <-ctx.Done():
		c.forgetPing(p)
		return &opError{"ping", contextError(ctx, stillOpen)}
	case <-c.done:
		return &opError{"ping", nowClosed(c.failure.Load().err)}
	}
}

// sendPing sends a ping for which somebody waits.
func (c *Conn) sendPing(ctx context.Context) (*ping, error) {
	c.mu.Lock()
	p := c.pings.spare
	c.pings.spare = nil
	c.mu.Unlock()
	if p == nil {
		p = &ping{pong: make(chan struct{}, 1)}
	}
	b := newBuffer(minBuffer)
	defer b.free()
	id, _ := c.expectPong(b.b, p)
	out, err := c.protocol.AppendPing(id[len(id):], id)
	if err != nil {
		err = c.refused(err)
	} else {
		err = c.transmit(ctx, out, intact)
	}
	if err != nil {
		c.forgetPing(p)
		return nil, err
	}
	c.countControl(ws.OpPing, true, 0)
	c.wrotePing(p)
	return p, nil
}

// wrotePing starts the clock of p, which is really written now.
func (c *Conn) wrotePing(p *ping) {
	c.mu.Lock()
	p.sent = now()
	c.mu.Unlock()
}

// expectPong gives p, or a new ping that nobody waits for, its number, which it appends to
// dst, and returns it. The turn to write is held, so that the numbers go out in their order.
func (c *Conn) expectPong(dst []byte, p *ping) ([]byte, *ping) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pings.last++
	if p == nil {
		p = c.pings.unawaited()
	}
	*p = ping{id: c.pings.last, sent: now(), pong: p.pong}
	at := &c.pings.first
	for *at != nil {
		at = &(*at).next
	}
	*at = p
	return strconv.AppendUint(dst, p.id, 10), p
}

// unawaited returns a ping that nobody waits for: the one before, if its pong has not come,
// so that a peer which never answers costs nothing.
func (s *pings) unawaited() *ping {
	for at := &s.first; *at != nil; at = &(*at).next {
		if p := *at; p.pong == nil {
			*at = p.next
			return p
		}
	}
	return new(ping)
}

// forgetPing takes p out of those that wait.
func (c *Conn) forgetPing(p *ping) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := &c.pings.first; *at != nil; at = &(*at).next {
		if *at == p {
			*at = p.next
			return
		}
	}
}

// pong ends the wait for the ping of this payload and for all before it: the peer may
// answer the last one alone (RFC 6455, section 5.5.3).
func (c *Conn) pong(payload []byte) {
	id, ok := parsePingID(payload)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if id > c.pings.last {
		return
	}
	for p := c.pings.first; p != nil && p.id <= id; p = c.pings.first {
		c.pings.first = p.next
		if p.id == id {
			c.latency.Store(now() - p.sent)
		}
		if p.pong != nil {
			p.pong <- struct{}{}
		}
	}
}

// parsePingID is the inverse of what expectPong appends.
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

// Latency returns how long the last answered ping took, from the moment it was written to
// the arrival of its pong: one of [Conn.Ping] or of the keepalive. It is 0 before the
// first one.
func (c *Conn) Latency() time.Duration { return time.Duration(c.latency.Load()) }
