package websocket

import (
	"context"
	"errors"
	"fmt"
	"iter"
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

// Group is a set of connections: a room whose members get the same messages, or
// all connections of a server, which are closed together. A connection belongs
// to the group in its options and to the groups that it joins, until it leaves
// them or is closed. It may belong to any number of groups. A connection that
// joins no group needs no memory for groups.
//
// Connections of other drivers of the protocol, such as those of package
// wsloop, join with [Group.JoinMember] and get the same broadcasts.
//
// The zero value is ready to use. The fields must not be changed after the
// first connection has joined. All methods are safe for concurrent use.
type Group struct {
	// Code and Reason are sent to the peers by Shutdown and Drain. 0, and a
	// code that may not be sent, mean [StatusGoingAway].
	Code   StatusCode
	Reason string

	// Jitter spreads the closing of connections at random over this time, so
	// that clients do not all reconnect at once.
	Jitter time.Duration

	mu      sync.Mutex
	conns   set[*Conn]
	members set[Member] // joined with JoinMember
	closed  bool
	empty   chan struct{} // closed once the group is closed and empty
}

// Member is a connection of another driver that can belong to a [Group], such
// as a *wsloop.Conn. It must be comparable. All methods are safe for concurrent
// use. They return without blocking and without calling a function passed to
// them.
type Member interface {
	// SendPreparedKey works as [Conn.SendPreparedKey] does.
	SendPreparedKey(m *PreparedMessage, key string) (SendResult, error)

	// Close begins the closing handshake. CloseNow ends the connection without
	// a handshake.
	Close(code ws.StatusCode, reason string) error
	CloseNow()

	// Go runs f after the current work of the handler, and before its next
	// message. If the connection has ended, Go returns false and does not call
	// f.
	Go(f func()) bool

	// OnEnd registers f to be called when the connection ends. f replaces the
	// function that was registered with the same key; a nil f removes that
	// function. If the connection has ended, OnEnd returns false and does not
	// call f.
	OnEnd(key any, f func()) bool
}

// Len returns the number of connections in the group.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.len()
}

func (g *Group) len() int { return len(g.conns.all) + len(g.members.all) }

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

// JoinMember is [Group.Join] for a connection of another driver. The member
// leaves the group when its connection ends. [Group.Shutdown] and [Group.Drain]
// call [Member.Close]. Drain first waits until a function that the handler has
// passed to [Member.Go] returns.
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

// Broadcast sends m to all members with [Conn.SendPrepared], without waiting
// for any peer. It returns how many members took m and how many missed it
// because their queue is full or they are about to close. The messages of
// several Broadcasts reach all members in the same order.
func (g *Group) Broadcast(m *PreparedMessage) (taken, missed int) {
	return g.BroadcastKey(m, "")
}

// BroadcastKey is [Group.Broadcast] for a value of which only the newest
// counts: see [Conn.SendKey].
func (g *Group) BroadcastKey(m *PreparedMessage, key string) (taken, missed int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.conns.all {
		if result, _ := c.SendPreparedKey(m, key); result.Taken() {
			taken++
		}
	}
	for _, c := range g.members.all {
		if result, _ := c.SendPreparedKey(m, key); result.Taken() {
			taken++
		}
	}
	return taken, g.len() - taken
}

// Conns yields the connections that belong to the group at the time of the
// call, in no particular order. It does not yield connections of
// [Group.JoinMember]: see [Group.Members].
func (g *Group) Conns() iter.Seq[*Conn] {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Values(slices.Clone(g.conns.all))
}

// Members yields the connections of [Group.JoinMember] that belong to the group
// at the time of the call, in no particular order.
func (g *Group) Members() iter.Seq[Member] {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Values(slices.Clone(g.members.all))
}

// all returns the connections of both kinds, in no particular order.
func (g *Group) all() []any {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]any, 0, g.len())
	for _, c := range g.conns.all {
		all = append(all, c)
	}
	for _, m := range g.members.all {
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

// Drain is like [Group.Shutdown], but lets handlers finish. No connection can
// join any more. Each connection begins to drain at a random time within
// Jitter. From then on a read between two messages returns [ErrDraining], even
// if it is already waiting. Messages that were received together with an
// earlier one are read first. A message that is still in the kernel is not
// read.
//
// The handler may still write, for example the answer that it is working on. It
// must then close the connection. [Conn.Close] sends its own code.
// [Conn.CloseNow] performs the closing handshake with the code of the group,
// and takes as long as Close. Drain waits for all connections to close. If ctx
// ends first, Drain closes the remaining ones without a handshake, and returns
// an error that wraps ctx.Err() and the cause.
//
// A program calls Drain before [http.Server.Shutdown], which waits for the
// handlers of HTTP/2:
//
//	err := errors.Join(group.Drain(ctx), srv.Shutdown(ctx))
//
// A handler that does not read does not notice that its connection drains,
// unless it uses [Conn.CloseRead], whose context then ends. On a transport
// without deadlines, a pending read cannot be interrupted: such a connection is
// closed as by Shutdown.
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

// end closes the group and waits until it is empty. It calls each or eachMember
// for each connection.
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

// spread calls f for each connection, each at a random time within Jitter.
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

// closing reports whether the group is closed to new connections. g may be nil.
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

// add makes c a member. It returns false if the group is closed.
func (g *Group) add(c *Conn) bool { return addTo(g, &g.conns, c) }

// remove removes c, if it is a member.
func (g *Group) remove(c *Conn) { removeFrom(g, &g.conns, c) }

// addMember is add for a connection of another driver.
func (g *Group) addMember(m Member) bool { return addTo(g, &g.members, m) }

// removeMember is remove for a connection of another driver.
func (g *Group) removeMember(m Member) { removeFrom(g, &g.members, m) }

func addTo[T comparable](g *Group, s *set[T], v T) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	s.add(v)
	return true
}

func removeFrom[T comparable](g *Group, s *set[T], v T) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.remove(v) {
		g.left()
	}
}

// set is a set with its elements in a slice, mostly in the order in which they
// were added: a broadcast that follows it finds connections where the processor
// expects them in memory. In a random order it takes a tenth longer.
type set[T comparable] struct {
	all []T
	at  map[T]int // where an element is in all
}

func (s *set[T]) add(v T) {
	if _, ok := s.at[v]; ok {
		return
	}
	if s.at == nil {
		s.at = make(map[T]int)
	}
	s.at[v] = len(s.all)
	s.all = append(s.all, v)
}

// remove reports whether v was in the set. The last element takes its place.
func (s *set[T]) remove(v T) bool {
	i, ok := s.at[v]
	if !ok {
		return false
	}
	last := len(s.all) - 1
	s.all[i] = s.all[last]
	s.at[s.all[i]] = i
	delete(s.at, v)
	clear(s.all[last:])
	if s.all = s.all[:last]; last == 0 {
		*s = set[T]{}
	}
	return true
}

// left must be called after a connection has left. mu is held.
func (g *Group) left() {
	if g.closed && g.len() == 0 {
		close(g.empty)
	}
}
