package websocket

import (
	"cmp"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/wskit/wskit/wsflate"
)

// RequestInfo is the request of a handshake, as far as a connection keeps it: see
// KeepRequest of [ConnOptions]. It must not be changed.
type RequestInfo struct {
	// URL is the target of the request: for [Accept] path and query, for [Dial] the URL
	// after redirects.
	URL *url.URL

	// Host is the host that the request asks for.
	Host string

	// Header has the fields of the request, credentials and cookies among them. In a
	// browser it is empty: it shows none.
	Header http.Header
}

// keepRequest returns what is kept of r, or nil if nothing is asked for.
func (o *ConnOptions) keepRequest(r *http.Request) *RequestInfo {
	if !o.KeepRequest || r == nil || r.URL == nil {
		return nil
	}
	u := *r.URL
	host := r.Host
	if host == "" {
		host = u.Host
	}
	return &RequestInfo{URL: &u, Host: host, Header: r.Header.Clone()}
}

// extras are what few connections need. They exist once one of them is asked for.
type extras struct {
	value atomic.Pointer[any]

	mu     sync.Mutex
	groups []*Group // those that the connection has joined with Join
	drains *Group   // that of Conn.drain
}

// extra returns the extras of c.
func (c *Conn) extra() *extras {
	if x := c.extras.Load(); x != nil {
		return x
	}
	c.extras.CompareAndSwap(nil, new(extras))
	return c.extras.Load()
}

// enter notes that c joins g. shut has it leave again.
func (c *Conn) enter(g *Group) {
	if g == c.opts.Group {
		return
	}
	x := c.extra()
	x.mu.Lock()
	defer x.mu.Unlock()
	if !slices.Contains(x.groups, g) {
		x.groups = append(x.groups, g)
	}
}

// notJoined is why a connection that is closed joins no group.
func (c *Conn) notJoined() error { return &opError{"join", nowClosed(c.ended().err)} }

// exit notes that c has left g.
func (c *Conn) exit(g *Group) {
	x := c.extras.Load()
	if x == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if i := slices.Index(x.groups, g); i >= 0 {
		x.groups = slices.Delete(x.groups, i, i+1)
	}
}

// leaveAll has c, which is closed, leave its groups.
func (c *Conn) leaveAll() {
	if c.opts.Group != nil {
		c.opts.Group.remove(c)
	}
	x := c.extras.Load()
	if x == nil {
		return
	}
	x.mu.Lock()
	groups := x.groups
	x.groups = nil
	x.mu.Unlock()
	for _, g := range groups {
		g.remove(c)
	}
}

// SetValue stores a value of the program's in the connection: hooks, [Group] and [Stats]
// hand out a *Conn, and [Conn.Value] returns what belongs to it. A nil v removes it. It
// may be called by any goroutine at any time.
func (c *Conn) SetValue(v any) {
	if v != nil || c.extras.Load() != nil {
		c.extra().value.Store(&v)
	}
}

// Value returns what the last call of [Conn.SetValue] has stored, or nil.
func (c *Conn) Value() any {
	if x := c.extras.Load(); x != nil {
		if v := x.value.Load(); v != nil {
			return *v
		}
	}
	return nil
}

// Request returns the request of the handshake. It is nil unless KeepRequest of
// [ConnOptions] was set, and for [NewConn], which does not know it.
func (c *Conn) Request() *RequestInfo { return c.opts.request }

// Compression returns the parameters of permessage-deflate (RFC 7692) that the handshake
// has agreed on. It reports false if messages are not compressed, and in a browser, which
// does not tell.
func (c *Conn) Compression() (agreed wsflate.Parameters, ok bool) {
	if c.opts.flate == nil {
		return wsflate.Parameters{}, false
	}
	return *c.opts.flate, true
}

// RemoteAddr returns the address of the peer: what Proxies of [AcceptOptions] found out, or
// else the address that the transport has, which may be that of a proxy. It is
// "websocket/unknown-addr" if the transport has none.
func (c *Conn) RemoteAddr() net.Addr {
	if c.opts.remote.IsValid() {
		return net.TCPAddrFromAddrPort(c.opts.remote)
	}
	if t, ok := c.transport.ReadWriteCloser.(interface{ RemoteAddr() net.Addr }); ok {
		return cmp.Or[net.Addr](t.RemoteAddr(), unknownAddr{})
	}
	return unknownAddr{}
}

// LocalAddr returns the address of this end of the connection, as the transport has it. It
// is "websocket/unknown-addr" if the transport has none.
func (c *Conn) LocalAddr() net.Addr {
	if t, ok := c.transport.ReadWriteCloser.(interface{ LocalAddr() net.Addr }); ok {
		return cmp.Or[net.Addr](t.LocalAddr(), unknownAddr{})
	}
	return unknownAddr{}
}

type unknownAddr struct{}

func (unknownAddr) Network() string { return "websocket" }
func (unknownAddr) String() string  { return "websocket/unknown-addr" }
