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

// RequestInfo is the part of a handshake request that a connection keeps: see
// KeepRequest of [ConnOptions]. It must not be modified.
type RequestInfo struct {
	// URL is the target of the request: path and query for [Accept], and the
	// URL after redirects for [Dial].
	URL *url.URL

	// Host is the requested host.
	Host string

	// Header has the fields of the request, including credentials and cookies.
	// It is empty in a browser.
	Header http.Header
}

// keepRequest returns the information about r, or nil without KeepRequest.
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

// extras are fields that few connections need. They are allocated on first use.
type extras struct {
	value atomic.Pointer[any]

	mu     sync.Mutex
	groups []*Group // joined with Join
	drains *Group   // the group that began to drain the connection
}

// extra returns the extras of c.
func (c *Conn) extra() *extras {
	if x := c.extras.Load(); x != nil {
		return x
	}
	c.extras.CompareAndSwap(nil, new(extras))
	return c.extras.Load()
}

// enter records that c joins g, so that shut makes c leave it.
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

// notJoined returns the error of joining a group with a closed connection.
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

// leaveAll makes c, which is closed, leave its groups.
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

// SetValue stores a value of the program in the connection, for [Conn.Value].
// It is useful with hooks, [Group] and other callers that pass a *Conn. A nil v
// removes the value. SetValue is safe for concurrent use.
func (c *Conn) SetValue(v any) {
	if v != nil || c.extras.Load() != nil {
		c.extra().value.Store(&v)
	}
}

// Value returns the value of the last [Conn.SetValue], or nil.
func (c *Conn) Value() any {
	if x := c.extras.Load(); x != nil {
		if v := x.value.Load(); v != nil {
			return *v
		}
	}
	return nil
}

// Request returns the request of the handshake. It is nil without KeepRequest
// of [ConnOptions], and for [NewConn].
func (c *Conn) Request() *RequestInfo { return c.opts.request }

// Compression returns the negotiated parameters of permessage-deflate (RFC
// 7692). ok is false if messages are not compressed. It is also false in a
// browser, which does not report the parameters.
func (c *Conn) Compression() (agreed wsflate.Parameters, ok bool) {
	if c.opts.flate == nil {
		return wsflate.Parameters{}, false
	}
	return *c.opts.flate, true
}

// RemoteAddr returns the address of the peer: the client that Proxies of
// [AcceptOptions] report, or else the address of the transport, which may be
// that of a proxy. If the transport has no address, RemoteAddr returns
// "websocket/unknown-addr".
func (c *Conn) RemoteAddr() net.Addr {
	if c.opts.remote.IsValid() {
		return net.TCPAddrFromAddrPort(c.opts.remote)
	}
	if t, ok := c.transport.ReadWriteCloser.(interface{ RemoteAddr() net.Addr }); ok {
		return cmp.Or[net.Addr](t.RemoteAddr(), unknownAddr{})
	}
	return unknownAddr{}
}

// LocalAddr returns the local address of the transport, or
// "websocket/unknown-addr" if it has none.
func (c *Conn) LocalAddr() net.Addr {
	if t, ok := c.transport.ReadWriteCloser.(interface{ LocalAddr() net.Addr }); ok {
		return cmp.Or[net.Addr](t.LocalAddr(), unknownAddr{})
	}
	return unknownAddr{}
}

type unknownAddr struct{}

func (unknownAddr) Network() string { return "websocket" }
func (unknownAddr) String() string  { return "websocket/unknown-addr" }
