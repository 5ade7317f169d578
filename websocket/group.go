package websocket

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/wskit/wskit/ws"
)

// ErrGroupClosed reports that a connection cannot join a [Group] that was shut
// down or is draining. [Accept] then refuses the handshake with status 503, if
// it has not answered yet.
var ErrGroupClosed = errors.New("websocket: the group has been shut down")

// errShuttingDown is ErrGroupClosed as the answer to a handshake.
var errShuttingDown = fmt.Errorf("%w: %w", ErrGroupClosed, ws.RejectConnectionError(
	ws.RejectionStatus(http.StatusServiceUnavailable),
	ws.RejectionReason("websocket: the server is shutting down"),
))

// Group is a set of connections: a room whose members get the same messages, or all
// connections of a server, which are closed together. A connection belongs to the group
// that its options name and to those that it joins, until it leaves them or is closed. It
// may belong to any number of groups, and one in no group costs nothing.
//
// Connections of other drivers of the protocol, such as those of package wsloop, join with
// [Group.JoinMember] and get the same broadcasts.
//
// The zero value is ready to use. The fields must not be changed once there are
// connections; all methods may be called by any number of goroutines at once.
type Group struct {
	// Code and Reason are sent to the peers by Shutdown and Drain. 0, and a
	// code that may not be sent, mean [StatusGoingAway].
	Code   StatusCode
	Reason string

	// Jitter is the time over which closing is spread at random, so that
	// clients do not all reconnect at once.
	Jitter time.Duration

	mu      sync.Mutex
	conns   map[*Conn]struct{}
	members map[Member]struct{} // of JoinMember
	closed  bool
	empty   chan struct{} // closed once the group is closed and empty
}

// Member is a connection of another driver that can belong to a [Group]: a *wsloop.Conn is
// one. It must be comparable. All methods may be called by any goroutine, and return
// without blocking and without a call of a function that they were given.
type Member interface {
	// SendPreparedKey is that of [Conn].
	SendPreparedKey(m *PreparedMessage, key string) (SendResult, error)

	// Close begins the closing handshake. CloseNow ends the connection without one.
	Close(code ws.StatusCode, reason string) error
	CloseNow()

	// Go runs f after the work that the handler is doing, and before its next message.
	// It returns false, without a call of f, if the connection is over.
	Go(f func()) bool

	// OnEnd has f called once the connection is over. It takes the place of the
	// function that was given with the same key; a nil f takes that out. It returns
	// false, without a call of f, if the connection is over.
	OnEnd(key any, f func()) bool
}

// Len returns the number of connections in the group.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.len()
}

func (g *Group) len() int { return len(g.conns) + len(g.members) }

// Join makes c a member, unless it already is one. It returns [ErrGroupClosed]
// after [Group.Shutdown] or [Group.Drain], and an error that wraps
// net.ErrClosed if c is closed.
func (g *Group) Join(c *Conn) error {
	switch {
	case g == nil:
		return &opError{"join", errNilGroup}
	case c == nil || c.opts == nil:
		return &opError{"join", errNotMade}
	}
	c.enter(g)
	err := error(nil)
	if !g.add(c) {
		err = ErrGroupClosed
	} else if c.closed.Load() { // it may have left before it joined
		err = c.notJoined()
	}
	if err != nil {
		g.Leave(c)
	}
	return err
}

// Leave removes c from the group, if it is a member. The connection stays open.
func (g *Group) Leave(c *Conn) {
	g.remove(c)
	if c != nil {
		c.exit(g)
	}
}

// JoinMember is [Group.Join] for a connection of another driver. It leaves the group when
// it is over. In [Group.Shutdown] and [Group.Drain] it is closed with [Member.Close]; Drain
// lets a function that its handler has given to [Member.Go] return first.
func (g *Group) JoinMember(m Member) error {
	switch {
	case g == nil:
		return &opError{"join", errNilGroup}
	case m == nil:
		return &opError{"join", errNotMade}
	case !g.addMember(m):
		return ErrGroupClosed
	case !m.OnEnd(g, func() { g.removeMember(m) }):
		g.removeMember(m)
		return &opError{"join", net.ErrClosed}
	}
	return nil
}

// LeaveMember is [Group.Leave] for a connection of another driver.
func (g *Group) LeaveMember(m Member) {
	if g == nil || m == nil {
		return
	}
	g.removeMember(m)
	m.OnEnd(g, nil)
}

// Broadcast sends m to all members with [Conn.SendPrepared], and returns how many took it
// and how many did not: the queue of one is full, or it is about to close. It waits for no
// peer. The messages of several Broadcasts reach all members in the same order.
func (g *Group) Broadcast(m *PreparedMessage) (taken, missed int) {
	return g.BroadcastKey(m, "")
}

// BroadcastKey is [Group.Broadcast] for a value of which only the newest
// matters: see [Conn.SendKey].
func (g *Group) BroadcastKey(m *PreparedMessage, key string) (taken, missed int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		if result, _ := c.SendPreparedKey(m, key); result.Taken() {
			taken++
		}
	}
	for c := range g.members {
		if result, _ := c.SendPreparedKey(m, key); result.Taken() {
			taken++
		}
	}
	return taken, g.len() - taken
}

// Conns yields the connections that belong to the group at the time of the call, in no
// particular order. Those of [Group.JoinMember] are left to [Group.Members].
func (g *Group) Conns() iter.Seq[*Conn] {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Values(slices.Collect(maps.Keys(g.conns)))
}

// Members yields the connections of [Group.JoinMember] that belong to the group at the
// time of the call, in no particular order.
func (g *Group) Members() iter.Seq[Member] {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Values(slices.Collect(maps.Keys(g.members)))
}

// all returns the connections of both kinds, in no particular order.
func (g *Group) all() []any {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]any, 0, g.len())
	for c := range g.conns {
		all = append(all, c)
	}
	for m := range g.members {
		all = append(all, m)
	}
	return all
}

// Shutdown closes all connections of the group, with its code and reason, and
// waits until they are closed. No connection can join any more. If ctx ends
// first, Shutdown closes the remaining connections without a handshake, and
// returns an error that wraps ctx.Err() and the cause. A member of several
// groups is closed by the Shutdown of any of them. A second call also waits.
//
// A program also calls [http.Server.Shutdown], which stops accepting requests.
// Connections over HTTP/2 make http.Server.Shutdown wait for their handlers;
// with srv.RegisterOnShutdown(func() { g.Shutdown(ctx) }) both end together. A
// message that a handler is processing gets no answer: see [Group.Drain].
func (g *Group) Shutdown(ctx context.Context) error {
	return g.end(ctx, "shutdown", func(c *Conn) { c.Close(g.code(), g.Reason) }, g.closeMember)
}

// Drain is [Group.Shutdown] that lets handlers finish. No connection can join any more.
// Each connection is told at a moment of its own within Jitter: from then on a read
// between two messages, also one that waits, returns [ErrDraining]. Messages that the
// connection has received along with an earlier one are read first. A message that still
// waits in the kernel is not read. The handler may still write, for instance the answer
// that it is working on. When it closes the connection, the closing handshake is performed: with the
// code of [Conn.Close], or with that of the group where it calls [Conn.CloseNow], which
// takes as long as Close then. Drain waits for all that. When ctx ends first, Drain closes
// those that are left without a handshake and returns an error that wraps ctx.Err() and the
// cause.
//
// A program calls it before [http.Server.Shutdown], which waits for the handlers of HTTP/2:
//
//	err := errors.Join(group.Drain(ctx), srv.Shutdown(ctx))
//
// A handler that does not read does not learn of it, unless it uses [Conn.CloseRead], whose
// context ends then. On a transport without deadlines, a read that waits cannot be ended:
// such a connection is closed as by Shutdown.
func (g *Group) Drain(ctx context.Context) error {
	return g.end(ctx, "drain", func(c *Conn) {
		if !c.drain(g) {
			c.Close(g.code(), g.Reason)
		}
	}, func(m Member) {
		if !m.Go(func() { g.closeMember(m) }) {
			g.closeMember(m)
		}
	})
}

func (g *Group) closeMember(m Member) { m.Close(ws.StatusCode(g.code()), g.Reason) }

// end closes the group and waits until it is empty. It calls each or eachMember for each
// connection.
func (g *Group) end(ctx context.Context, op string, each func(*Conn), eachMember func(Member)) error {
	if ctx == nil {
		return fmt.Errorf("websocket: %s: %w", op, errNilContext)
	}
	empty := g.close()
	var closing sync.WaitGroup
	defer closing.Wait()

	guarded := func(c any, f func(*Conn), fMember func(Member)) {
		if m, ok := c.(Member); ok {
			fMember(m)
			return
		}
		closing.Go(func() {
			c := c.(*Conn)
			defer c.guard()
			f(c)
		})
	}
	g.spread(ctx, empty, func(c any) { guarded(c, each, eachMember) })
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
	}
	left := g.all()
	for _, c := range left {
		guarded(c, (*Conn).closeNow, Member.CloseNow) // which may wait for a callback
	}
	if len(left) == 0 {
		return nil
	}
	return fmt.Errorf("websocket: %s: %d connections were closed without handshake: %w", op, len(left), contextEnd(ctx))
}

// spread calls f for each connection at a moment of its own within Jitter.
func (g *Group) spread(ctx context.Context, empty <-chan struct{}, f func(c any)) {
	conns := g.all()
	delays := make([]time.Duration, len(conns))
	for i := range delays {
		if g.Jitter > 0 {
			delays[i] = rand.N(g.Jitter)
		}
	}
	slices.Sort(delays) // conns are in no particular order

	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i, c := range conns {
		if wait := delays[i] - time.Since(start); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-empty:
				return
			case <-ctx.Done():
				return
			}
		}
		f(c)
	}
}

// close makes the group refuse new connections. The returned channel is closed
// when there are no connections left.
func (g *Group) close() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.closed, g.empty = true, make(chan struct{})
		if g.len() == 0 {
			close(g.empty)
		}
	}
	return g.empty
}

// closing reports whether the group, which may be nil, takes no more connections.
func (g *Group) closing() bool {
	if g == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}

func (g *Group) code() StatusCode {
	if _, ok := g.Code.wire(); !ok || g.Code == 0 {
		return StatusGoingAway
	}
	return g.Code
}

// add has c join, unless the group takes no more connections.
func (g *Group) add(c *Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	if g.conns == nil {
		g.conns = make(map[*Conn]struct{})
	}
	g.conns[c] = struct{}{}
	return true
}

// remove has c leave, if it belongs to the group.
func (g *Group) remove(c *Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.conns[c]; !ok {
		return
	}
	delete(g.conns, c)
	g.left()
}

// addMember is add for a connection of another driver.
func (g *Group) addMember(m Member) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	if g.members == nil {
		g.members = make(map[Member]struct{})
	}
	g.members[m] = struct{}{}
	return true
}

// removeMember is remove for a connection of another driver.
func (g *Group) removeMember(m Member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.members[m]; !ok {
		return
	}
	delete(g.members, m)
	g.left()
}

// left notes that a connection has left. mu is held.
func (g *Group) left() {
	if g.closed && g.len() == 0 {
		close(g.empty)
	}
}
