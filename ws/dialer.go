package ws

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"reflect"
	"time"

	"github.com/wskit/wskit/httphead"
)

// Buffer sizes of a client's handshake.
const (
	DefaultClientReadBufferSize  = 4096
	DefaultClientWriteBufferSize = 4096
)

// Dialer opens WebSocket connections as a client (RFC 6455, section 4.1). The
// zero value is ready to use. Its methods do not modify it and are safe for
// concurrent use.
type Dialer struct {
	// ReadBufferSize is the size of the buffer for the response.
	// WriteBufferSize is the initial size of the buffer for the request. 0
	// means the default.
	ReadBufferSize, WriteBufferSize int

	// HeadLimits limits the response head. The zero value means 16 KiB and 128
	// fields.
	HeadLimits httphead.Limits

	// Timeout limits the whole Dial. 0 means [DefaultHandshakeTimeout]. A
	// negative value means no limit other than the context.
	Timeout time.Duration

	// Protocols are the subprotocols to offer, in order of preference.
	Protocols []string

	// Extensions are the extensions to offer.
	Extensions []httphead.Option

	// Header is sent with the request. If it contains fields of the handshake
	// itself, such as Sec-WebSocket-Protocol, the handshake fails.
	Header HandshakeHeader

	// Host replaces the host of the URL in the Host field. It changes neither
	// the address that Dial connects to nor the expected name of the
	// certificate.
	Host string

	// OnStatusError is called with a response whose status is not 101. reason
	// is its reason phrase. resp reads the whole response from its first byte
	// until the connection ends. Both are valid until OnStatusError returns.
	OnStatusError func(status int, reason []byte, resp io.Reader)

	// OnHeader is called with each field of the response that is not part of
	// the opening handshake. key is in canonical form, such as "Set-Cookie".
	// The slices are valid until OnHeader returns. If it returns an error, the
	// handshake fails with that error.
	OnHeader func(key, value []byte) error

	// NetDial, if set, opens the connection instead of a net.Dialer. network is
	// "tcp" and addr is host:port, but NetDial may connect elsewhere, such as
	// to a Unix socket. It must return when the context ends.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)

	// NetDialTLS, if set, opens TLS connections to servers and to proxies of
	// scheme https, instead of NetDial and TLSConfig. TLSConfig and TLSClient
	// then apply only to servers behind a proxy. NetDialTLS must return when
	// the context ends.
	NetDialTLS func(ctx context.Context, network, addr string) (net.Conn, error)

	// Proxy, if set, returns the proxy to use, or nil for none.
	// [ProxyFromEnvironment] and [http.ProxyFromEnvironment] are such
	// functions. The URL of its argument has scheme http for ws and https for
	// wss. The context of its argument has the values of the context of Dial,
	// or of the request of RoundTrip. A proxy of scheme http or https receives
	// a CONNECT request, with the user of its URL in Proxy-Authorization. A
	// proxy of scheme socks5 or socks5h (RFC 1928, RFC 1929) resolves the
	// server's name.
	Proxy func(*http.Request) (*url.URL, error)

	// ProxyHeader, if set, returns the fields of the CONNECT request to a proxy
	// of scheme http or https. target is the host and port to connect to. Host
	// and fields that describe a body are omitted. Without a User-Agent, the
	// request has the default of [Offer]. An empty User-Agent is not sent.
	ProxyHeader func(ctx context.Context, proxy *url.URL, target string) (http.Header, error)

	// TLSConfig is used for wss and for proxies of scheme https. Dial clones
	// it, sets an empty ServerName to the name of the host, and sets NextProtos
	// to "http/1.1". Connect sets NextProtos to its argument.
	TLSConfig *tls.Config

	// TLSClient, if set, makes the TLS connection for wss instead of TLSConfig.
	// hostname is the expected name of the certificate.
	TLSClient func(conn net.Conn, hostname string) net.Conn

	// WrapConn, if set, wraps the connection before the handshake, after proxy
	// and TLS.
	WrapConn func(conn net.Conn) net.Conn

	alpn []string // protocols to offer in TLS instead of "http/1.1"
}

// ErrHandshakeTimeout reports that a handshake ended because of
// [Dialer].Timeout or its default, not because of the caller's context. Errors
// that wrap it also wrap [context.DeadlineExceeded].
var ErrHandshakeTimeout = errors.New("ws: handshake timed out")

// DefaultDialer is the Dialer of [Dial].
var DefaultDialer Dialer

// Dial is [Dialer.Dial] of [DefaultDialer].
func Dial(ctx context.Context, urlstr string) (net.Conn, *bufio.Reader, Handshake, error) {
	return DefaultDialer.Dial(ctx, urlstr)
}

// Dial connects to the URL, of scheme ws or wss (http and https mean the same),
// and opens a WebSocket connection (RFC 6455, section 4.1). Dial sends the user
// and password of the URL in the Authorization field, unless Header has that
// field. It does not follow redirects.
//
// If the server sent frames right after its response, the first Reads of conn
// return them. br also holds them, and is nil if there are none. Each byte is
// returned once, by conn or by br. A caller that reads only from conn may
// ignore br. If br is not nil, conn has a method NetConn that returns the
// underlying connection.
//
// When ctx ends or Timeout expires, Dial closes the connection and returns an
// error that wraps ctx.Err() and the cause of ctx. A response whose status is
// not 101 is a *[ConnectionRejectedError]; errors.As also finds a [StatusError]
// in it. Other errors wrap an ErrHandshake value, [ErrMalformedResponse], or an
// error of the network.
func (d Dialer) Dial(ctx context.Context, urlstr string) (conn net.Conn, br *bufio.Reader, hs Handshake, err error) {
	if ctx == nil {
		return nil, nil, Handshake{}, fmt.Errorf("ws: dial: %w", errNilContext)
	}
	u, err := parseURL(urlstr)
	if err != nil {
		return nil, nil, Handshake{}, fmt.Errorf("ws: dial: %w", err)
	}
	ctx, cancel := d.bound(ctx)
	defer cancel()
	conn, br, hs, err = d.dial(ctx, u)
	if err != nil {
		return nil, nil, Handshake{}, dialError(ctx, u, err)
	}
	return conn, br, hs, nil
}

// bound returns ctx with Timeout.
func (d *Dialer) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if timeout := handshakeTimeout(d.Timeout); timeout > 0 {
		return context.WithTimeoutCause(ctx, timeout, ErrHandshakeTimeout)
	}
	return ctx, func() {}
}

// dialError returns the error of Dial for err. If ctx has ended and err is not
// a refusal, it returns the error of ctx, because err is only a consequence.
func dialError(ctx context.Context, u *url.URL, err error) error {
	if _, answered := errors.AsType[*ConnectionRejectedError](err); ctx.Err() != nil && !answered {
		err = contextError(ctx)
	}
	return &dialFault{u.Host, err}
}

// dialFault is an error of a client's handshake. It has a method Timeout
// because [url.Error] calls that method only on the error that it holds
// directly.
type dialFault struct {
	host string
	err  error
}

func (e *dialFault) Error() string { return "ws: dial " + e.host + ": " + e.err.Error() }
func (e *dialFault) Unwrap() error { return e.err }
func (e *dialFault) Timeout() bool { return isTimeout(e.err) }

// isTimeout reports whether err is due to a timeout.
func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

var errNilContext = errors.New("nil Context")

// contextError returns the error of ctx, with its cause if that is a different
// error.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == cause {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// Connect opens a connection to the server of u, through the proxy and TLS like
// Dial, without a handshake. alpn are the protocols to offer in TLS (RFC 7301);
// the default is "http/1.1". With "h2" the caller can use HTTP/2. Connect uses
// Timeout and the fields of d that concern connections. The errors are those of
// [Dialer.Dial].
func (d Dialer) Connect(ctx context.Context, u *url.URL, alpn []string) (net.Conn, error) {
	if ctx == nil {
		return nil, fmt.Errorf("ws: connect: %w", errNilContext)
	}
	if err := checkURL(u); err != nil {
		return nil, fmt.Errorf("ws: connect: %w", err)
	}
	ctx, cancel := d.bound(ctx)
	defer cancel()
	d.alpn = alpn
	conn, g, err := d.connect(ctx, u)
	if err == nil {
		err = g.end(conn, nil)
	}
	if err != nil {
		return nil, dialError(ctx, u, err)
	}
	return conn, nil
}

// dial connects and performs the handshake. On an error it closes everything
// that it opened.
func (d *Dialer) dial(ctx context.Context, u *url.URL) (net.Conn, *bufio.Reader, Handshake, error) {
	conn, g, err := d.connect(ctx, u)
	if err != nil {
		return nil, nil, Handshake{}, err
	}
	br, hs, err := d.Upgrade(conn, u)
	if err = g.end(conn, err); err != nil {
		return nil, nil, Handshake{}, err
	}
	if br != nil {
		conn = unread(conn, br)
	}
	return conn, br, hs, nil
}

// connect opens the connection for the handshake with the server of u, through
// the proxy and TLS. The caller must call end of the guard with the returned
// connection. On an error connect closes everything that it opened.
func (d *Dialer) connect(ctx context.Context, u *url.URL) (net.Conn, *guard, error) {
	proxy, err := d.proxy(ctx, u)
	if err != nil {
		return nil, nil, err
	}
	first := u
	if proxy != nil {
		first = proxy
	}
	dial, secured := d.netDial, isSecure(first) && d.NetDialTLS != nil
	if secured {
		dial = d.NetDialTLS
	}
	socket, err := dial(ctx, "tcp", hostPort(first))
	if err == nil && isNil(socket) {
		err = errors.New("the dial function returned no connection")
	}
	if err != nil {
		return nil, nil, proxyError(proxy, err)
	}
	g := newGuard(ctx, socket)
	conn, err := d.layers(ctx, socket, secured, proxy, u)
	if err != nil {
		return nil, nil, g.end(conn, err)
	}
	return conn, g, nil
}

// layers adds proxy, TLS and WrapConn to a socket. secured says that the socket
// already has TLS to the proxy, or to the server if there is no proxy. Even on
// an error it returns the outermost connection, which the caller must close.
func (d *Dialer) layers(ctx context.Context, socket net.Conn, secured bool, proxy, u *url.URL) (conn net.Conn, err error) {
	conn = socket
	if c, ok := conn.(*tls.Conn); ok && secured { // as net/http does; a second handshake does nothing
		if err = handshakeTLS(ctx, c); err != nil {
			return conn, proxyError(proxy, err)
		}
	}
	if proxy != nil {
		if conn, err = d.tunnel(ctx, conn, secured, proxy, connectAddress(u)); err != nil {
			return conn, proxyError(proxy, err)
		}
	}
	if isSecure(u) && (proxy != nil || !secured) {
		if conn, err = d.secure(ctx, conn, serverName(u)); err != nil {
			return conn, err
		}
	}
	if d.WrapConn == nil {
		return conn, nil
	}
	wrapped := d.WrapConn(conn)
	if isNil(wrapped) {
		return conn, errors.New("WrapConn returned no connection")
	}
	return wrapped, nil
}

// isNil reports whether v is nil or a nil pointer in an interface. The methods
// of such a connection would panic, also on a goroutine of this package.
func isNil(v any) bool {
	p := reflect.ValueOf(v)
	return !p.IsValid() || p.Kind() == reflect.Pointer && p.IsNil()
}

// guard interrupts reads and writes of a socket when a context ends.
type guard struct {
	ctx    context.Context
	socket net.Conn
	stop   func() bool
	closed chan struct{} // closed after the end of ctx has closed the socket
}

func newGuard(ctx context.Context, socket net.Conn) *guard {
	g := &guard{ctx: ctx, socket: socket, closed: make(chan struct{})}
	g.stop = context.AfterFunc(ctx, func() {
		abort(socket)
		close(g.closed)
	})
	return g
}

// end ends the guard and must be called once. If err is not nil or ctx has
// ended, it closes the socket and conn, which wraps it, and returns the error.
func (g *guard) end(conn net.Conn, err error) error {
	if !g.stop() {
		<-g.closed
		err = cmp.Or(err, g.ctx.Err())
	}
	if err != nil {
		abort(g.socket) // first, so that no layer above it waits for the peer
		conn.Close()
	}
	return err
}

// longAgo is a deadline that interrupts pending calls.
var longAgo = time.Unix(1, 0)

// abort closes a connection. It first sets a deadline, because Close of some
// connections does not unblock other calls.
func abort(conn net.Conn) {
	conn.SetDeadline(longAgo)
	conn.Close()
}

func (d *Dialer) netDial(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.NetDial != nil {
		return d.NetDial(ctx, network, addr)
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// secure returns the TLS connection over conn to the server with that name.
func (d *Dialer) secure(ctx context.Context, conn net.Conn, hostname string) (net.Conn, error) {
	if d.TLSClient != nil {
		secured := d.TLSClient(conn, hostname)
		if isNil(secured) {
			return conn, errors.New("TLSClient returned no connection")
		}
		return secured, nil
	}
	config := d.tlsConfig()
	config.ServerName = cmp.Or(config.ServerName, hostname)
	if d.alpn != nil {
		config.NextProtos = d.alpn
	}
	c := tls.Client(conn, config)
	return c, handshakeTLS(ctx, c)
}

// tlsConfig returns a copy of TLSConfig that offers only HTTP/1.1. Otherwise a
// server might choose HTTP/2.
func (d *Dialer) tlsConfig() *tls.Config {
	config := d.TLSConfig.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	config.NextProtos = []string{"http/1.1"}
	return config
}

// handshakeTLS performs the TLS handshake and calls the trace in ctx.
func handshakeTLS(ctx context.Context, c *tls.Conn) error {
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	err := c.HandshakeContext(ctx)
	if trace != nil && trace.TLSHandshakeDone != nil {
		trace.TLSHandshakeDone(c.ConnectionState(), err)
	}
	return err
}
