package websocket

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/wskit/wskit/ws"
)

// ErrGroupClosed says that a connection was to join a [Group] that has been shut down.
// [Accept] refuses the handshake with status 503 then, if it is not too late.
var ErrGroupClosed = errors.New("websocket: the group has been shut down")

// errShuttingDown is ErrGroupClosed as the answer to a handshake.
var errShuttingDown = fmt.Errorf("%w: %w", ErrGroupClosed, ws.RejectConnectionError(
	ws.RejectionStatus(http.StatusServiceUnavailable),
	ws.RejectionReason("websocket: the server is shutting down"),
))

// Group is a set of connections that are shut down together: those whose options name it
// belong to it until they are closed. It does what [http.Server.Shutdown] leaves undone,
// which knows nothing of the connections it has handed over. The zero value is ready to
// use. The fields must not be changed once there are connections; all methods may be
// called by any number of goroutines at once.
type Group struct {
	// Code and Reason are what Shutdown tells the peers. 0, and a code that may not
	// be sent, stand for [StatusGoingAway].
	Code   StatusCode
	Reason string

	// Jitter spreads the closing over this time, at random, so that clients which
	// connect anew do not all do so at once.
	Jitter time.Duration

	mu     sync.Mutex
	conns  map[*Conn]struct{}
	closed bool
	empty  chan struct{} // closed once the group is closed and empty
}

// Len returns how many connections belong to the group.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.conns)
}

// Conns yields the connections that belong to the group at the time of the call, in no
// particular order, for instance to send a [PreparedMessage] to all of them.
func (g *Group) Conns() iter.Seq[*Conn] {
	return slices.Values(g.members())
}

func (g *Group) members() []*Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	conns := make([]*Conn, 0, len(g.conns))
	for c := range g.conns {
		conns = append(conns, c)
	}
	return conns
}

// Shutdown closes all connections of the group, with its code and reason, and waits until
// they are closed. No connection can join any more. When ctx ends first, Shutdown closes
// those that are left without a handshake and returns an error that wraps ctx.Err() and
// the cause.
//
// A program calls it beside [http.Server.Shutdown], which stops the server from
// taking new requests. A second call waits, too. Connections over HTTP/2 keep
// http.Server.Shutdown waiting for their handlers: with
// srv.RegisterOnShutdown(func() { g.Shutdown(ctx) }) both end together.
func (g *Group) Shutdown(ctx context.Context) error {
	if ctx == nil {
		return fmt.Errorf("websocket: shutdown: %w", errNilContext)
	}
	empty := g.close()
	var closing sync.WaitGroup
	defer closing.Wait()

	g.closeSpread(ctx, empty, &closing)
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
	}
	left := g.members()
	for _, c := range left {
		c.CloseNow()
	}
	if len(left) == 0 {
		return nil
	}
	return fmt.Errorf("websocket: shutdown: %d connections were closed without handshake: %w", len(left), contextEnd(ctx))
}

// closeSpread begins to close each connection at a moment of its own within Jitter.
func (g *Group) closeSpread(ctx context.Context, empty <-chan struct{}, closing *sync.WaitGroup) {
	conns := g.members()
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
		closing.Go(func() {
			defer c.guard()
			c.Close(g.code(), g.Reason)
		})
	}
}

// close has the group take no more connections. The channel is closed once there are none.
func (g *Group) close() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.closed, g.empty = true, make(chan struct{})
		if len(g.conns) == 0 {
			close(g.empty)
		}
	}
	return g.empty
}

// closing reports whether the group, which may be nil, has been shut down.
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

// add has c join, unless the group has been shut down.
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
	if g.closed && len(g.conns) == 0 {
		close(g.empty)
	}
}
