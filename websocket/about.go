package websocket

import (
	"net"
	"net/http"
	"net/url"
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
}

// extra returns the extras of c.
func (c *Conn) extra() *extras {
	if x := c.extras.Load(); x != nil {
		return x
	}
	c.extras.CompareAndSwap(nil, new(extras))
	return c.extras.Load()
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

// RemoteAddr returns the address of the peer, as the transport has it: of a proxy, if one
// stands between. It is "websocket/unknown-addr" if the transport has none.
func (c *Conn) RemoteAddr() net.Addr {
	if t, ok := c.transport.ReadWriteCloser.(interface{ RemoteAddr() net.Addr }); ok {
		return t.RemoteAddr()
	}
	return unknownAddr{}
}

// LocalAddr is [Conn.RemoteAddr] for this end of the connection.
func (c *Conn) LocalAddr() net.Addr {
	if t, ok := c.transport.ReadWriteCloser.(interface{ LocalAddr() net.Addr }); ok {
		return t.LocalAddr()
	}
	return unknownAddr{}
}

type unknownAddr struct{}

func (unknownAddr) Network() string { return "websocket" }
func (unknownAddr) String() string  { return "websocket/unknown-addr" }
