package wsh2

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/wskit/wskit/internal/lapse"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// Transport opens WebSocket streams over HTTP/2. It is a [websocket.Transport].
// The zero value is ready to use. A Transport is safe for concurrent use. After
// its first use, it must not be copied and its fields must not be modified.
//
// If a server does not announce extended CONNECT in its SETTINGS, or does not
// choose HTTP/2 in TLS, the error wraps [websocket.ErrNoExtendedConnect].
type Transport struct {
	// Dialer opens the connections. Only its fields that concern connections
	// are used, such as Proxy, TLSConfig and NetDial. Its Timeout limits each
	// attempt, until the server's SETTINGS have arrived. NetDialTLS must offer
	// "h2".
	Dialer ws.Dialer

	// Cleartext allows HTTP/2 without TLS, with prior knowledge (RFC 9113,
	// section 3.3), for URLs of scheme ws and http. If it is false, the error
	// of Connect for such URLs wraps [websocket.ErrNoExtendedConnect].
	Cleartext bool

	// MaxConns is the maximum number of connections to one origin. When all are
	// full, Connect waits for a stream to end. 0 means 16, a negative value no
	// limit.
	MaxConns int

	// MaxStreams is the maximum number of streams of one connection. The server
	// may allow fewer. 0 means 250. A negative value means only the limit of
	// the server.
	MaxStreams int

	// StreamWindow is the maximum number of unread bytes of a stream. 0 means
	// 256 KiB. A negative value means the maximum of HTTP/2, 2 GiB.
	StreamWindow int

	// MaxHeaderBytes limits the head of a response: the bytes of all names and
	// values, and 32 for each field. 0 means 16 KiB, a negative value no limit.
	MaxHeaderBytes int

	// IdleTimeout is how long a connection without streams is kept. 0 means 90
	// s, a negative value no limit.
	IdleTimeout time.Duration

	// PingInterval is how long the server may be silent before the Transport
	// sends an HTTP/2 PING. The PING may be delayed by up to the same time. 0
	// means 30 s. A negative value means no PINGs.
	PingInterval time.Duration

	// PingTimeout is how long the Transport waits for any data after a PING.
	// Then the connection and its streams end. 0 means 15 s, a negative value
	// no limit.
	PingTimeout time.Duration

	// NotOfferedTime is how long the Transport remembers that a server does not
	// support extended CONNECT. During that time, Connect returns the same
	// error without connecting, so that a Dial with Fallback uses HTTP/1.1 at
	// once. The Transport remembers up to 1000 servers. 0 means 5 min. A
	// negative value means that it remembers none.
	NotOfferedTime time.Duration

	mu      sync.Mutex // taken before conn.mu
	pools   map[string]*pool
	closed  bool
	running sync.WaitGroup // the goroutines of connections

	notOffered lapse.Errors // by origin
}

var _ websocket.Transport = (*Transport)(nil)

// Defaults of [Transport].
const (
	defaultMaxConns     = 16
	defaultMaxStreams   = 250
	defaultStreamWindow = 256 << 10
	defaultHeaderBytes  = 16 << 10
	defaultIdleTimeout  = 90 * time.Second
	defaultPingInterval = 30 * time.Second
	defaultPingTimeout  = 15 * time.Second
	defaultNotOffered   = 5 * time.Minute
)

func (t *Transport) maxConns() int   { return limit(t.MaxConns, defaultMaxConns, math.MaxInt) }
func (t *Transport) maxStreams() int { return limit(t.MaxStreams, defaultMaxStreams, math.MaxInt32) }
func (t *Transport) headerBytes() int {
	return limit(t.MaxHeaderBytes, defaultHeaderBytes, math.MaxInt32)
}
func (t *Transport) streamWindow() int {
	return limit(t.StreamWindow, defaultStreamWindow, maxWindow)
}

// limit returns the effective limit for n, which is at most most.
func limit(n, byDefault, most int) int {
	if n < 0 {
		return most
	}
	return min(cmp.Or(n, byDefault), most)
}

// Connect sends r, an extended CONNECT, over a connection to the origin of its
// URL and returns the response: see [websocket.Transport]. If a server says in
// GOAWAY or REFUSED_STREAM that it has not processed the request, Connect sends
// it again over another connection, at most twice. It omits fields that HTTP/2
// does not allow, such as Connection.
func (t *Transport) Connect(r *http.Request) (websocket.Stream, *http.Response, error) {
	s, resp, err := t.connect(r)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("wsh2: %w", err)
	case s == nil:
		return nil, resp, nil
	}
	return s, resp, nil
}

const attempts = 3

func (t *Transport) connect(r *http.Request) (s *stream, resp *http.Response, err error) {
	switch {
	case t == nil:
		return nil, nil, errors.New("nil Transport")
	case r == nil || r.URL == nil:
		return nil, nil, errors.New("request without a URL")
	}
	fields, err := requestFields(r)
	if err != nil {
		return nil, nil, err
	}
	for range attempts {
		var c *conn
		if c, err = t.acquire(r.Context(), r.URL); err != nil {
			return nil, nil, err
		}
		s, resp, err = c.open(r, fields)
		if _, again := errors.AsType[*unprocessedError](err); !again {
			break
		}
	}
	return s, resp, err
}

// unprocessedError reports that the server has not processed the request (RFC
// 9113, section 8.7).
type unprocessedError struct{ error }

func (e *unprocessedError) Unwrap() error { return e.error }

// dial opens a connection for pool p and waits for the server's SETTINGS.
func (t *Transport) dial(ctx context.Context, u *url.URL, p *pool) (*conn, error) {
	d := t.Dialer
	if d.Timeout >= 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cmp.Or(d.Timeout, ws.DefaultHandshakeTimeout))
		defer cancel()
	}
	nc, err := d.Connect(ctx, u, []string{"h2", "http/1.1"}) // with only h2, a server without it would abort the handshake
	if err != nil {
		return nil, err
	}
	if err := checkALPN(nc); err != nil {
		nc.Close()
		return nil, err
	}
	c := newConn(t, p, nc)
	if err := c.awaitSettings(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// CloseIdleConnections closes the connections without streams.
func (t *Transport) CloseIdleConnections() {
	t.each(func(c *conn) {
		if c.active == 0 {
			c.fail(errIdle)
		}
	})
}

// Close closes all connections with their streams, and returns when their
// goroutines have ended. Later calls of Connect return an error. The error of
// Close is always nil.
func (t *Transport) Close() error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.each(func(c *conn) { c.fail(errTransportClosed) })
	t.running.Wait()
	return nil
}

var (
	errIdle            = fmt.Errorf("the connection was idle: %w", net.ErrClosed)
	errTransportClosed = fmt.Errorf("the Transport is closed: %w", net.ErrClosed)
)

// each calls f for every connection, with its lock held.
func (t *Transport) each(f func(*conn)) {
	t.mu.Lock()
	var conns []*conn
	for _, p := range t.pools {
		conns = append(conns, p.conns...)
	}
	t.mu.Unlock()
	for _, c := range conns {
		c.mu.Lock()
		f(c)
		c.mu.Unlock()
	}
}
