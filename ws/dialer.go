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

// Sizes that the buffers of a client's handshake have.
const (
	DefaultClientReadBufferSize  = 4096
	DefaultClientWriteBufferSize = 4096
)

// Dialer opens WebSocket connections on the client's side (RFC 6455, section
// 4.1). The zero value is ready; a Dialer is not changed by its use and serves
// any number of goroutines at once.
type Dialer struct {
	// ReadBufferSize is the size of the buffer through which the answer is read,
	// WriteBufferSize what the one for the request starts with. 0 stands for
	// the defaults.
	ReadBufferSize, WriteBufferSize int

	// HeadLimits bounds the head of the answer. The zero value stands for 16 KiB
	// and 128 fields.
	HeadLimits httphead.Limits

	// Timeout bounds Dial as a whole. 0 stands for [DefaultHandshakeTimeout], a
	// negative value for no bound but the context's.
	Timeout time.Duration

	// Protocols are the subprotocols to offer, the preferred one first.
	Protocols []string

	// Extensions are the extensions to offer.
	Extensions []httphead.Option

	// Header is sent with the request. Fields of the handshake itself, such as
	// Sec-WebSocket-Protocol, make it fail.
	Header HandshakeHeader

	// Host replaces the host of the URL in field Host. It changes neither where
	// Dial connects to nor which name the certificate must bear.
	Host string

	// OnStatusError is called with an answer of another status than 101: its
	// reason phrase, and a reader that yields the whole answer from its first
	// byte on, until the connection ends. Both are valid until it returns.
	OnStatusError func(status int, reason []byte, resp io.Reader)

	// OnHeader is called with each field of the answer that is none of the opening
	// handshake's, its name in the form of net/http, "Set-Cookie", however it was
	// sent. The slices are valid until it returns. An error makes the
	// handshake fail with it.
	OnHeader func(key, value []byte) error

	// NetDial opens the connection, "tcp" to host:port, in place of a net.Dialer:
	// it may well go to a Unix socket. It must return when the context ends.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)

	// NetDialTLS, if set, opens TLS connections to servers and to proxies of scheme
	// https in place of NetDial and TLSConfig; TLSConfig and TLSClient are then for
	// servers behind a proxy. It must return when the context ends.
	NetDialTLS func(ctx context.Context, network, addr string) (net.Conn, error)

	// Proxy returns the proxy to go through, or nil for none;
	// [ProxyFromEnvironment] and [http.ProxyFromEnvironment] are such functions.
	// It is asked with a request whose URL has scheme http for ws and https for
	// wss, and whose context has the values of the one given to Dial, or of that of
	// the request given to RoundTrip. Proxies of scheme http and https are told to CONNECT, with the user of
	// the URL in Proxy-Authorization. Those of scheme socks5 and socks5h (RFC 1928,
	// RFC 1929) look the server's name up themselves. A nil Proxy stands for no
	// proxy.
	Proxy func(*http.Request) (*url.URL, error)

	// ProxyHeader, if set, returns the fields to send with CONNECT to a proxy of
	// scheme http or https; target is the host and port to connect to. Host and the
	// fields that describe a body are left out. Without a User-Agent the request has
	// the one of [Offer]; an empty one is not sent.
	ProxyHeader func(ctx context.Context, proxy *url.URL, target string) (http.Header, error)

	// TLSConfig is used for wss and for proxies of scheme https. It is cloned;
	// ServerName, where it is empty, is set to the host's name, and NextProtos
	// always to "http/1.1", or to what Connect is given.
	TLSConfig *tls.Config

	// TLSClient, if set, makes the TLS connection for wss in place of
	// TLSConfig; hostname is the name that the certificate is to bear.
	TLSClient func(conn net.Conn, hostname string) net.Conn

	// WrapConn, if set, wraps the connection that is ready for the handshake,
	// behind proxy and TLS.
	WrapConn func(conn net.Conn) net.Conn

	alpn []string // what is offered to the server in place of "http/1.1"
}

// ErrHandshakeTimeout says that a handshake was ended by [Dialer].Timeout, or by its
// default, and not by the context of the caller. It comes with
// [context.DeadlineExceeded].
var ErrHandshakeTimeout = errors.New("ws: handshake took too long")

// DefaultDialer is what [Dial] uses.
var DefaultDialer Dialer

// Dial is [Dialer.Dial] of [DefaultDialer].
func Dial(ctx context.Context, urlstr string) (net.Conn, *bufio.Reader, Handshake, error) {
	return DefaultDialer.Dial(ctx, urlstr)
}

// Dial connects to the URL, of scheme ws or wss (http and https mean the same),
// and opens a WebSocket connection (RFC 6455, section 4.1). User and password in
// the URL go into field Authorization, unless Header has one. Redirects are not
// followed.
//
// Frames that the server sent right behind its answer cannot be lost: the first
// Reads of conn yield them. br holds them, too, and is nil if there are none;
// each byte is read once, whether from conn or from br, and who reads from conn
// alone may ignore br. Where br is not nil, conn has a method NetConn that returns
// the connection itself.
//
// When ctx ends, or the Timeout, Dial sets a deadline that has passed, closes what
// it has opened, and returns an error that wraps ctx.Err() and the context's cause. An answer of another status
// than 101 is a *[ConnectionRejectedError], in which errors.As finds a
// [StatusError], too. The other errors are ErrHandshake values,
// [ErrMalformedResponse], and those of the network, wrapped.
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

// bound returns ctx, bounded by Timeout.
func (d *Dialer) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if timeout := handshakeTimeout(d.Timeout); timeout > 0 {
		return context.WithTimeoutCause(ctx, timeout, ErrHandshakeTimeout)
	}
	return ctx, func() {}
}

// dialError is err as it leaves Dial: the end of ctx is told in place of what it broke.
func dialError(ctx context.Context, u *url.URL, err error) error {
	if _, answered := errors.AsType[*ConnectionRejectedError](err); ctx.Err() != nil && !answered {
		err = contextError(ctx)
	}
	return &dialFault{u.Host, err}
}

// dialFault is an error of a handshake with a server. It has Timeout because
// [url.Error] asks only the error that it holds directly.
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

// contextError is why ctx ended: its error, and its cause if that is another.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == cause {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// Connect opens the connection over which a handshake with the server of u would go,
// through the proxy and TLS as Dial does, and sends nothing. alpn are the protocols
// to offer in TLS (RFC 7301), "http/1.1" if there are none: with "h2" the caller can
// speak HTTP/2. It uses of d what concerns connections, and Timeout. The errors are
// those of [Dialer.Dial].
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

// dial connects and shakes hands. On an error all that it opened is closed.
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

// connect opens the connection for the handshake with the server of u, through the
// proxy and TLS. The caller must end the guard, which belongs to the outermost
// connection. On an error all that was opened is closed.
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
		err = errors.New("the function that dials returned no connection")
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

// layers puts proxy, TLS and WrapConn around a socket; secured says that it came with
// TLS to the proxy, or to the server where there is none. It returns the outermost
// connection also with an error, for the caller to close.
func (d *Dialer) layers(ctx context.Context, socket net.Conn, secured bool, proxy, u *url.URL) (conn net.Conn, err error) {
	conn = socket
	if c, ok := conn.(*tls.Conn); ok && secured { // as net/http does, in case it is still to be done
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

// isNil reports whether v is nil or a nil pointer in an interface: the methods of such a
// connection would panic, on a goroutine of this package too.
func isNil(v any) bool {
	p := reflect.ValueOf(v)
	return !p.IsValid() || p.Kind() == reflect.Pointer && p.IsNil()
}

// guard has the end of a context end whatever waits for a socket.
type guard struct {
	ctx    context.Context
	socket net.Conn
	stop   func() bool
	closed chan struct{} // by the end of ctx
}

func newGuard(ctx context.Context, socket net.Conn) *guard {
	g := &guard{ctx: ctx, socket: socket, closed: make(chan struct{})}
	g.stop = context.AfterFunc(ctx, func() {
		abort(socket)
		close(g.closed)
	})
	return g
}

// end ends the guard, once. If there is an error, or ctx has ended, it closes the socket
// and conn, which is around it, and returns the error.
func (g *guard) end(conn net.Conn, err error) error {
	if !g.stop() {
		<-g.closed
		err = cmp.Or(err, g.ctx.Err())
	}
	if err != nil {
		abort(g.socket) // first, so that no layer above it waits to say goodbye
		conn.Close()
	}
	return err
}

// longAgo is a deadline that interrupts what is under way.
var longAgo = time.Unix(1, 0)

// abort closes a connection. The deadline comes first: there are connections whose Close
// unblocks nothing.
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

// secure makes conn the TLS connection to the server of that name.
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

// tlsConfig returns a copy of TLSConfig that speaks HTTP/1.1 and nothing else: a
// server that may choose would answer in HTTP/2.
func (d *Dialer) tlsConfig() *tls.Config {
	config := d.TLSConfig.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	config.NextProtos = []string{"http/1.1"}
	return config
}

// handshakeTLS shakes hands, and tells the trace of ctx about it.
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
