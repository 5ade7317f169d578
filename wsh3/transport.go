package wsh3

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/wskit/wskit/internal/lapse"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// Transport opens WebSocket streams over HTTP/3 (RFC 9220). It is a
// [websocket.Transport]. All streams to an authority share one connection.
// Streams above the limit of the server wait. The zero value is ready to use. A
// Transport is safe for concurrent use. After its first use, it must not be
// copied and its fields must not be modified.
//
// If a server does not announce extended CONNECT, or if the URL is without TLS,
// the error wraps [websocket.ErrNoExtendedConnect]. If a server cannot be
// reached over QUIC, the error does not wrap it.
type Transport struct {
	// TLSConfig is used for the connections, with the protocol of HTTP/3. It is
	// not modified. nil means the default.
	TLSConfig *tls.Config

	// QUICConfig is used for the connections. nil means the result of the
	// function QUICConfig.
	QUICConfig *quic.Config

	// Dial, if not nil, opens the QUIC connection to addr, a host and a port.
	// The default resolves the name and uses a UDP socket for each connection.
	Dial func(ctx context.Context, addr string, tls *tls.Config, config *quic.Config) (*quic.Conn, error)

	// DialTimeout limits the time to open a connection and to receive the
	// server's SETTINGS. 0 means [ws.DefaultHandshakeTimeout]. A negative value
	// means no limit.
	DialTimeout time.Duration

	// MaxHeaderBytes limits the head of a response. 0 means 16 KiB. A negative
	// value means 10 MB.
	MaxHeaderBytes int

	// IdleTimeout is how long a connection without streams is kept. 0 means 90
	// s, a negative value no limit.
	IdleTimeout time.Duration

	// NotOfferedTime is how long the Transport remembers that a server does not
	// support extended CONNECT. During that time, Connect returns the same
	// error without connecting, so that a Dial with Fallback uses HTTP/1.1 at
	// once. The Transport remembers up to 1000 servers. 0 means 5 min. A
	// negative value means that it remembers none.
	NotOfferedTime time.Duration

	mu     sync.Mutex
	conns  map[string]*conn   // connections for new streams
	all    map[*conn]struct{} // connections that are not closed
	closed bool

	notOffered lapse.Errors // by address
}

var _ websocket.Transport = (*Transport)(nil)

const (
	defaultIdleTimeout = 90 * time.Second
	defaultHeaderBytes = 16 << 10
	defaultNotOffered  = 5 * time.Minute
)

var errTransportClosed = fmt.Errorf("the Transport is closed: %w", net.ErrClosed)

// conn is a connection to one authority.
type conn struct {
	addr   string
	opened chan struct{} // closed when quic and h3, or err, are set
	quic   *quic.Conn
	h3     *http3.ClientConn
	err    error
	cancel context.CancelFunc // cancels the opening

	// Guarded by Transport.mu.
	streams int
	idle    *time.Timer
	closed  bool
}

// Connect sends r, an extended CONNECT, to the authority of its URL and returns
// the response: see [websocket.Transport].
func (t *Transport) Connect(r *http.Request) (websocket.Stream, *http.Response, error) {
	s, resp, err := t.connect(r)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("wsh3: %w", err)
	case s == nil:
		return nil, resp, nil
	}
	return s, resp, nil
}

func (t *Transport) connect(r *http.Request) (*stream, *http.Response, error) {
	switch {
	case t == nil:
		return nil, nil, errors.New("nil Transport")
	case r == nil || r.URL == nil:
		return nil, nil, errors.New("request without a URL")
	case r.URL.Scheme != "https" && r.URL.Scheme != "wss":
		return nil, nil, fmt.Errorf("HTTP/3 requires TLS, not scheme %q: %w", r.URL.Scheme, websocket.ErrNoExtendedConnect)
	}
	request, err := extendedConnect(r)
	if err != nil {
		return nil, nil, err
	}
	addr := net.JoinHostPort(r.URL.Hostname(), cmp.Or(r.URL.Port(), "443"))
	if err := t.notOffered.Get(addr); err != nil {
		return nil, nil, err
	}
	const attempts = 2
	for attempt := 1; ; attempt++ {
		c, err := t.acquire(r.Context(), addr)
		if err != nil {
			return nil, nil, err
		}
		str, err := c.h3.OpenRequestStream(r.Context())
		switch {
		case err == nil:
			return t.exchange(c, str, request)
		case r.Context().Err() != nil:
			t.release(c)
			return nil, nil, fmt.Errorf("open a stream: %w", context.Cause(r.Context()))
		}
		t.forget(c) // it has ended, or the server has sent GOAWAY; no request was sent
		t.release(c)
		if attempt == attempts {
			return nil, nil, fmt.Errorf("open a stream: %w", err)
		}
	}
}

// extendedConnect returns r in the form of http3, with the protocol in Proto.
func extendedConnect(r *http.Request) (*http.Request, error) {
	protocol := r.Header[":protocol"]
	if r.Method != http.MethodConnect || len(protocol) != 1 {
		return nil, fmt.Errorf("method %.16q: want an extended CONNECT with one :protocol", r.Method)
	}
	c := r.Clone(r.Context())
	delete(c.Header, ":protocol")
	for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"} {
		c.Header.Del(name) // RFC 9114, section 4.2
	}
	c.Proto, c.ProtoMajor, c.ProtoMinor = protocol[0], 3, 0
	c.URL.Scheme = "https"
	c.Body, c.ContentLength = nil, 0
	return c, nil
}

// exchange sends the request on str and reads the response. The reserved stream
// of c is released together with the returned stream or body.
func (t *Transport) exchange(c *conn, str *http3.RequestStream, r *http.Request) (*stream, *http.Response, error) {
	stop := context.AfterFunc(r.Context(), func() {
		str.CancelWrite(cancelled)
		str.CancelRead(cancelled)
	})
	s := newStream(str, c.h3.LocalAddr(), c.h3.RemoteAddr(), http3.ErrCodeRequestCanceled, func() {
		stop()
		t.release(c)
	})
	err := str.SendRequestHeader(r)
	var resp *http.Response
	if err == nil {
		resp, err = finalAnswer(str)
	}
	if err == nil && resp.StatusCode < 300 {
		switch {
		case resp.Header["Content-Length"] != nil: // http3 would bound the stream by it
			err = errors.New("the answer to CONNECT has a Content-Length (RFC 9110, section 9.3.6)")
		case !stop():
			err = r.Context().Err()
		}
	}
	if err != nil {
		s.Close()
		if r.Context().Err() != nil {
			err = context.Cause(r.Context())
		}
		return nil, nil, fmt.Errorf("read response: %w", err)
	}
	resp.Request = r
	resp.ProtoMajor, resp.ProtoMinor, resp.Proto = 3, 0, "HTTP/3.0"
	if resp.StatusCode < 300 {
		resp.Body = http.NoBody
		return s, resp, nil
	}
	s.CloseWrite()
	resp.Body = &body{resp.Body, s}
	return nil, resp, nil
}

// finalAnswer reads the final response, after interim ones.
func finalAnswer(str *http3.RequestStream) (*http.Response, error) {
	const most = 5
	for range most + 1 {
		resp, err := str.ReadResponse()
		switch {
		case err != nil:
			return nil, err
		case resp.StatusCode == http.StatusSwitchingProtocols: // RFC 9114, section 4.5
			return nil, errors.New("status 101 does not exist in HTTP/3")
		case resp.StatusCode >= 200:
			return resp, nil
		}
	}
	return nil, errors.New("too many interim responses")
}

// body is the body of a refusal. The request's context ends it.
type body struct {
	io.Reader
	s *stream
}

func (b *body) Close() error { return b.s.Close() }

// acquire returns a connection to addr with a reserved stream.
func (t *Transport) acquire(ctx context.Context, addr string) (*conn, error) {
	for {
		c, err := t.enter(addr)
		if err != nil {
			return nil, err
		}
		select {
		case <-c.opened:
		case <-ctx.Done():
			t.release(c)
			return nil, fmt.Errorf("dial %s: %w", addr, context.Cause(ctx))
		}
		if c.err != nil {
			t.forget(c)
			t.release(c)
			return nil, fmt.Errorf("dial %s: %w", addr, c.err)
		}
		if c.quic.Context().Err() == nil {
			return c, nil
		}
		t.forget(c)
		t.release(c)
	}
}

// enter reserves a stream on the connection to addr. If there is none, it
// begins to open one.
func (t *Transport) enter(addr string) (*conn, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, errTransportClosed
	}
	c := t.conns[addr]
	if c == nil {
		c = &conn{addr: addr, opened: make(chan struct{})}
		if t.conns == nil {
			t.conns = make(map[string]*conn)
		}
		t.conns[addr] = c
		if t.all == nil {
			t.all = make(map[*conn]struct{})
		}
		t.all[c] = struct{}{}
		var ctx context.Context
		ctx, c.cancel = context.WithCancel(context.Background())
		go t.open(ctx, c) // the context of one caller must not end it for others
	}
	c.streams++
	if c.idle != nil {
		c.idle.Stop()
		c.idle = nil
	}
	return c, nil
}

// forget makes the next stream to the authority of c open another connection.
func (t *Transport) forget(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conns[c.addr] == c {
		delete(t.conns, c.addr)
	}
}

// release ends a stream of c. A forgotten connection is closed after its last
// stream, and others after IdleTimeout.
func (t *Transport) release(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.streams--; c.streams > 0 {
		return
	}
	idle := cmp.Or(t.IdleTimeout, defaultIdleTimeout)
	switch {
	case t.closed:
		t.close(c)
	case t.conns[c.addr] != c:
		idle = lingering
		fallthrough
	case idle > 0:
		c.idle = time.AfterFunc(idle, func() { t.expire(c) })
	}
}

// lingering is how long a forgotten connection stays open after its last
// stream, so that written data arrives.
const lingering = time.Second

// expire closes a connection that is still idle.
func (t *Transport) expire(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.streams > 0 {
		return
	}
	t.close(c)
}

// close closes c, or cancels its opening. t.mu is held.
func (t *Transport) close(c *conn) {
	c.closed = true
	delete(t.all, c)
	if t.conns[c.addr] == c {
		delete(t.conns, c.addr)
	}
	if c.idle != nil {
		c.idle.Stop()
	}
	c.cancel()
	if c.quic != nil {
		c.quic.CloseWithError(noError, "")
	}
}

const noError = quic.ApplicationErrorCode(http3.ErrCodeNoError)

// open opens c.
func (t *Transport) open(ctx context.Context, c *conn) {
	if timeout := cmp.Or(t.DialTimeout, ws.DefaultHandshakeTimeout); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	qc, h3, err := t.dial(ctx, c.addr)
	if errors.Is(err, websocket.ErrNoExtendedConnect) {
		t.notOffered.Put(c.addr, err, cmp.Or(t.NotOfferedTime, defaultNotOffered))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	defer close(c.opened)
	if c.closed {
		if err == nil {
			qc.CloseWithError(noError, "")
		}
		err = errTransportClosed
	}
	if c.err = err; err == nil {
		c.quic, c.h3 = qc, h3
	}
}

func (t *Transport) dial(ctx context.Context, addr string) (*quic.Conn, *http3.ClientConn, error) {
	config := t.QUICConfig
	if config == nil {
		config = QUICConfig()
		config.MaxIncomingStreams = -1 // the server must not open streams
	}
	dial := t.Dial
	if dial == nil {
		dial = quic.DialAddr
	}
	qc, err := dial(ctx, addr, t.tlsConfig(addr), config)
	if err != nil {
		return nil, nil, err
	}
	h3 := (&http3.Transport{DisableCompression: true, MaxResponseHeaderBytes: t.headerBytes()}).NewClientConn(qc)
	if err := awaitSettings(ctx, h3); err != nil {
		qc.CloseWithError(noError, "")
		return nil, nil, err
	}
	return qc, h3, nil
}

// awaitSettings waits for the server's SETTINGS, and checks that they offer
// extended CONNECT (RFC 9220, section 3).
func awaitSettings(ctx context.Context, h3 *http3.ClientConn) error {
	select {
	case <-h3.ReceivedSettings():
	case <-h3.Context().Done():
		return ended(h3.Context())
	case <-ctx.Done():
		return fmt.Errorf("wait for SETTINGS: %w", context.Cause(ctx))
	}
	if !h3.Settings().EnableExtendedConnect {
		return websocket.ErrNoExtendedConnect
	}
	return nil
}

// ended returns why a connection has ended, with the name of the code.
func ended(ctx context.Context) error {
	err := context.Cause(ctx)
	if e, ok := errors.AsType[*quic.ApplicationError](err); ok {
		return fmt.Errorf("%v: %w", http3.ErrCode(e.ErrorCode), err)
	}
	return err
}

func (t *Transport) tlsConfig(addr string) *tls.Config {
	config := t.TLSConfig.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	config.NextProtos = []string{http3.NextProtoH3}
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(addr)
	}
	return config
}

func (t *Transport) headerBytes() int {
	if t.MaxHeaderBytes < 0 {
		return 0
	}
	return cmp.Or(t.MaxHeaderBytes, defaultHeaderBytes)
}

// Close closes all connections with their streams. Later calls of Connect
// return an error. The error of Close is always nil.
func (t *Transport) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for c := range t.all {
		t.close(c)
	}
	return nil
}

// Dial opens a WebSocket over HTTP/3 to a URL of scheme wss or https. It opens
// a new connection, which ends one second after the WebSocket. config is the
// TLS configuration and may be nil. opts may be nil; its Transport is ignored.
// See [websocket.Dial]. To open several WebSockets, use a [Transport].
func Dial(ctx context.Context, url string, config *tls.Config, opts *websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
	var o websocket.DialOptions
	if opts != nil {
		o = *opts
	}
	o.Transport = &Transport{TLSConfig: config, IdleTimeout: lingering}
	return websocket.Dial(ctx, url, &o)
}
