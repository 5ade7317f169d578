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
	"net/url"
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

	// Proxy returns the proxy to go through, or nil for none;
	// [http.ProxyFromEnvironment] is one. It is asked with a request whose URL
	// has scheme http for ws and https for wss. Proxies of scheme http and https
	// are told to CONNECT, with the user of the URL in Proxy-Authorization. A nil
	// Proxy stands for no proxy.
	Proxy func(*http.Request) (*url.URL, error)

	// TLSConfig is used for wss and for proxies of scheme https. It is cloned;
	// ServerName, where it is empty, is set to the host's name, and NextProtos
	// always to "http/1.1".
	TLSConfig *tls.Config

	// TLSClient, if set, makes the TLS connection for wss in place of
	// TLSConfig; hostname is the name that the certificate is to bear.
	TLSClient func(conn net.Conn, hostname string) net.Conn

	// WrapConn, if set, wraps the connection that is ready for the handshake,
	// behind proxy and TLS.
	WrapConn func(conn net.Conn) net.Conn
}

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
// When ctx ends, or the Timeout, Dial closes what it has opened and returns an
// error that wraps ctx.Err() and the context's cause. An answer of another status
// than 101 is a *[ConnectionRejectedError], in which errors.As finds a
// [StatusError], too. The other errors are ErrHandshake values,
// [ErrMalformedResponse], and those of the network, wrapped.
func (d Dialer) Dial(ctx context.Context, urlstr string) (conn net.Conn, br *bufio.Reader, hs Handshake, err error) {
	u, err := parseURL(urlstr)
	if err != nil {
		return nil, nil, Handshake{}, fmt.Errorf("ws: dial: %w", err)
	}
	if timeout := handshakeTimeout(d.Timeout); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	conn, br, hs, err = d.dial(ctx, u)
	if err != nil {
		if _, answered := errors.AsType[*ConnectionRejectedError](err); ctx.Err() != nil && !answered {
			err = contextError(ctx)
		}
		return nil, nil, Handshake{}, fmt.Errorf("ws: dial %s: %w", u.Host, err)
	}
	return conn, br, hs, nil
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

// dial connects and shakes hands. On an error all that it opened is closed.
func (d *Dialer) dial(ctx context.Context, u *url.URL) (net.Conn, *bufio.Reader, Handshake, error) {
	proxy, err := d.proxy(u)
	if err != nil {
		return nil, nil, Handshake{}, err
	}
	first := u
	if proxy != nil {
		first = proxy
	}
	socket, err := d.netDial(ctx, "tcp", hostPort(first))
	if err != nil {
		return nil, nil, Handshake{}, err
	}
	// From here on the end of ctx closes the socket, and so ends whatever
	// waits for it.
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		socket.Close()
		close(closed)
	})
	conn, br, hs, err := d.open(ctx, socket, proxy, u)
	if !stop() {
		<-closed
		err = cmp.Or(err, ctx.Err())
	}
	if err != nil {
		socket.Close() // first, so that no layer above it waits to say goodbye
		conn.Close()
		return nil, nil, Handshake{}, err
	}
	return conn, br, hs, nil
}

// open goes from a socket to a WebSocket connection. It returns the outermost
// connection also with an error, for the caller to close.
func (d *Dialer) open(ctx context.Context, socket net.Conn, proxy, u *url.URL) (conn net.Conn, br *bufio.Reader, hs Handshake, err error) {
	conn = socket
	if proxy != nil {
		if conn, err = d.tunnel(ctx, conn, proxy, connectAddress(u)); err != nil {
			return conn, nil, hs, err
		}
	}
	if isSecure(u) {
		if conn, err = d.secure(ctx, conn, serverName(u)); err != nil {
			return conn, nil, hs, err
		}
	}
	if d.WrapConn != nil {
		conn = d.WrapConn(conn)
	}
	br, hs, err = d.Upgrade(conn, u)
	if err == nil && br != nil {
		conn = unread(conn, br)
	}
	return conn, br, hs, err
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
		return d.TLSClient(conn, hostname), nil
	}
	config := d.tlsConfig()
	config.ServerName = cmp.Or(config.ServerName, hostname)
	return handshakeTLS(ctx, conn, config)
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

func handshakeTLS(ctx context.Context, conn net.Conn, config *tls.Config) (net.Conn, error) {
	c := tls.Client(conn, config)
	return c, c.HandshakeContext(ctx)
}

// PutReader says that a reader which [Dialer.Dial] or [Dialer.Upgrade] returned is
// no longer used. It has nothing to do: the reader shares its bytes with the
// connection, and goes when that goes.
func PutReader(*bufio.Reader) {}
