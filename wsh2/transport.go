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

// Transport opens WebSocket streams over HTTP/2. It is a [websocket.Transport]. The
// zero value is ready. A Transport may be used by any number of goroutines at once. It
// must not be copied, nor its fields changed, after its first use.
//
// A server that does not announce extended CONNECT in its SETTINGS, or does not choose
// HTTP/2 in TLS, is reported by an error that wraps [websocket.ErrNoExtendedConnect].
type Transport struct {
	// Dialer opens the connections: its Proxy, TLSConfig, NetDial and all else that
	// concerns connections is used, and its Timeout bounds each attempt, with the
	// server's SETTINGS. A NetDialTLS must offer "h2".
	Dialer ws.Dialer

	// Cleartext allows HTTP/2 without TLS, with prior knowledge (RFC 9113, section
	// 3.3), for URLs of scheme ws and http. Otherwise these are reported by
	// [websocket.ErrNoExtendedConnect].
	Cleartext bool

	// MaxConns is the maximum number of connections to one origin. When all are
	// full, Connect waits for a stream to end. 0 means 16, a negative value no limit.
	MaxConns int

	// MaxStreams is the maximum number of streams of one connection. The server may
	// allow fewer. 0 means 250, a negative value no limit of ours.
	MaxStreams int

	// StreamWindow is how many bytes a stream may hold that the program has not
	// read. 0 means 256 KiB. A negative value means the maximum of HTTP/2, 2 GiB.
	StreamWindow int

	// MaxHeaderBytes bounds the head of an answer: the bytes of all names and values,
	// and 32 for each field. 0 means 16 KiB, a negative value no limit.
	MaxHeaderBytes int

	// IdleTimeout is how long a connection without streams is kept. 0 means 90 s, a
	// negative value no limit.
	IdleTimeout time.Duration

	// PingInterval is the silence of the server after which a connection is asked
	// for a sign of life, by a PING of HTTP/2; it comes at the latest after twice
	// that time. 0 means 30 s, a negative value none.
	PingInterval time.Duration

	// PingTimeout is how long any byte is waited for after a PING. Then the
	// connection and its streams end. 0 means 15 s, a negative value no limit.
	PingTimeout time.Duration

	// NotOfferedTime is how long a server is remembered that does not offer extended
	// CONNECT. Until then Connect returns the same error without a connection, so that
	// only the first Dial with Fallback pays for one. 1000 servers are remembered. 0
	// means 5 min, a negative value no time.
	NotOfferedTime time.Duration

	mu      sync.Mutex // taken before conn.mu
	pools   map[string]*pool
	closed  bool
	running sync.WaitGroup // the goroutines of connections

	notOffered lapse.Errors // by origin
}

var _ websocket.Transport = (*Transport)(nil)

// What the zero value of Transport stands for.
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

// limit returns the limit that n stands for: at most most.
func limit(n, byDefault, most int) int {
	if n < 0 {
		return most
	}
	return min(cmp.Or(n, byDefault), most)
}

// Connect sends r, an extended CONNECT, over a connection to the origin of its URL and
// returns the answer: see [websocket.Transport]. Requests that a server has not
// processed, as it says in GOAWAY or by REFUSED_STREAM, are sent again over another
// connection, twice at most. The fields that HTTP/2 has no place for, such as Connection,
// are left out.
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

// unprocessedError is the end of a request that the server has not seen, or has
// promised not to act on (RFC 9113, section 8.7).
type unprocessedError struct{ error }

func (e *unprocessedError) Unwrap() error { return e.error }

// dial opens a connection for pool p, and waits for the server's SETTINGS.
func (t *Transport) dial(ctx context.Context, u *url.URL, p *pool) (*conn, error) {
	d := t.Dialer
	if d.Timeout >= 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cmp.Or(d.Timeout, ws.DefaultHandshakeTimeout))
		defer cancel()
	}
	nc, err := d.Connect(ctx, u, []string{"h2", "http/1.1"}) // with h2 alone, a server without it breaks off
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

// CloseIdleConnections closes the connections that have no streams.
func (t *Transport) CloseIdleConnections() {
	t.each(func(c *conn) {
		if c.active == 0 {
			c.fail(errIdle)
		}
	})
}

// Close closes all connections with their streams, and returns when their goroutines
// have ended. Connect returns an error from then on. The error of Close is always nil.
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
