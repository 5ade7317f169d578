package websocket

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/internal/peertext"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// DialOptions are the options of [Dial]. The zero value has the defaults. Dial
// does not modify them, so concurrent calls may share one value.
type DialOptions struct {
	// HTTPClient sends the request. If it is nil, Dial uses
	// [http.DefaultClient]. Its Jar, CheckRedirect and Timeout are honored;
	// Timeout limits only the handshake, see [Dial].
	//
	// If its Transport is an [http.Transport], Dial uses the settings of the
	// Transport for dialing, TLS, proxies and timeouts, but opens the
	// connection itself. It connects to a proxy with scheme http or https by
	// CONNECT, even for ws. The response head is limited to
	// MaxResponseHeaderBytes, or to 16 KiB and 128 fields if that is zero. If
	// Proxy is [http.ProxyFromEnvironment], ALL_PROXY is also used, as in
	// [ws.ProxyFromEnvironment]. Any other RoundTripper, and a Transport with
	// OnProxyConnectResponse, sends the request itself. A RoundTripper that
	// wraps an http.Transport then behaves as net/http does, for example for
	// proxies and for the size of heads; one that wraps a [ws.Dialer] behaves
	// as this package does.
	HTTPClient *http.Client

	// Transport opens the stream by extended CONNECT: for HTTP/2, use a
	// *wsh2.Transport. If Transport is nil, Dial uses an HTTP/1.1 upgrade.
	// Otherwise HTTPClient adds cookies and follows redirects, and its own
	// Transport is used only for Fallback.
	Transport Transport

	// Fallback makes Dial use HTTP/1.1 if Transport returns
	// [ErrNoExtendedConnect].
	Fallback bool

	// HTTPHeader is sent with the request, except for the fields that the
	// handshake itself sets. A proxy can therefore pass on the header of a
	// request. A field Sec-WebSocket-Extensions is an error, because a Conn
	// could not apply the extensions that the server accepts. A proxy that
	// passes on offers uses package wsbridge, or Extensions of [ws.Dialer]. A
	// field Sec-WebSocket-Protocol is used if Subprotocols is empty. Without a
	// field User-Agent, Dial sends "wskit/" and its version. If the field is
	// empty, Dial sends no User-Agent.
	HTTPHeader http.Header

	// Host, if not empty, is sent as the Host field instead of the host of the
	// URL.
	Host string

	// Subprotocols are offered to the server in order of preference. Empty
	// strings are ignored.
	Subprotocols []string

	// CompressionMode enables compression. The default is CompressionDisabled.
	CompressionMode CompressionMode

	// CompressionThreshold and CompressionPolicy are as in [AcceptOptions].
	CompressionThreshold int
	CompressionPolicy    *wsflate.Parameters

	// OnPingReceived and OnPongReceived are as in [AcceptOptions].
	OnPingReceived func(ctx context.Context, payload []byte) bool
	OnPongReceived func(ctx context.Context, payload []byte)

	// BrowserQueue is the maximum size in bytes of received and unread messages
	// in a browser. A message that arrives while the queue is larger ends the
	// connection with status 1008. 0 means [DefaultBrowserQueue], and a
	// negative value means no limit. It has no effect outside of browsers.
	BrowserQueue int

	ConnOptions
}

// Dial opens a connection to the server of the URL (RFC 6455, section 4.1). The
// scheme is ws or wss; http and https mean the same. A user and password in the
// URL are sent as field Authorization. opts may be nil.
//
// ctx and the Timeout of the client limit the handshake and its redirects, not
// the connection. If ctx has no deadline and Timeout is zero, the limit is
// [ws.DefaultHandshakeTimeout], 10 s; a negative Timeout means no limit. After
// a timeout, errors.As finds a [net.Error] with Timeout() true. [Retryable]
// reports whether it makes sense to dial again after an error.
//
// Dial follows redirects by the rules of HTTPClient, with two restrictions.
// Authorization, Cookie and Proxy-Authorization are sent only to the origin of
// the URL. A redirect from wss to ws is an error.
//
// The returned response is that of the server. It is nil if there was none. If
// Dial returns an error, up to 4 KiB of the response body can be read. The body
// need not be closed. If the status is not 101, or not 2xx for an extended
// CONNECT, the error wraps a *[ws.ConnectionRejectedError].
//
// Dial returns as soon as ctx ends, and leaves no connection open. One
// exception is a RoundTripper that sends the request itself: it may complete a
// TCP connection and keep it idle, see [http.Client.CloseIdleConnections]. A
// nil ctx is an error.
func Dial(ctx context.Context, urlstr string, opts *DialOptions) (*Conn, *http.Response, error) {
	if ctx == nil {
		return nil, nil, fmt.Errorf("websocket: dial: %w", errNilContext)
	}
	if opts == nil {
		opts = new(DialOptions)
	}
	d := dialing{opts: opts, began: opts.begins()}
	c, resp, err := d.open(ctx, urlstr)
	if err != nil {
		opts.unanswered(err)
		return nil, resp, fmt.Errorf("websocket: dial: %w", err)
	}
	return c, resp, nil
}

var errOffersInHeader = errors.New("HTTPHeader contains Sec-WebSocket-Extensions: set CompressionMode to offer compression,  " +
	"or use package wsbridge or ws.Dialer.Extensions in a proxy")

// dialing is the state of one call of Dial.
type dialing struct {
	opts     *DialOptions
	began    clockTime
	offer    *wsflate.Parameters      // the offered compression, or nil for none
	lastConn atomic.Pointer[net.Conn] // the connection of the last request
}

func (d *dialing) dial(ctx context.Context, urlstr string) (*Conn, *http.Response, error) {
	if d.opts.Group.closing() {
		return nil, nil, ErrGroupClosed
	}
	for name := range d.opts.HTTPHeader {
		if http.CanonicalHeaderKey(name) == "Sec-Websocket-Extensions" {
			return nil, nil, errOffersInHeader
		}
	}
	client := d.client()
	handshake, cancel := d.bound(ctx)
	defer cancel() // releases the resources of the context

	request, check, err := d.dialer().NewRequest(d.trace(handshake, client.Transport), urlstr)
	if err != nil {
		return nil, nil, err
	}
	resp, err := send(client, request)
	if err != nil {
		if resp != nil {
			resp.Body = http.NoBody // it is already closed
		}
		return nil, resp, withContext(handshake, shorter(err))
	}
	cfg, err := d.finish(resp, check)
	if err != nil {
		return nil, resp, err
	}
	cfg.began = d.began
	c, err := openConn(handshake, &cfg)
	return c, resp, err
}

// bound returns the context of the handshake: ctx with the client's Timeout, or
// with a default timeout if nothing else limits it.
func (d *dialing) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := d.opts.client().Timeout
	if _, bounded := ctx.Deadline(); timeout == 0 && !bounded {
		timeout = ws.DefaultHandshakeTimeout
	}
	if timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, timeout, ws.ErrHandshakeTimeout)
}

// maxClientError is the maximum length of the text of a client's error. The
// server determines part of the text when it redirects.
const maxClientError = 4 * peertext.Max

// shorter returns an error of a client with a bounded text.
func shorter(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		e.URL = peertext.Cut(e.URL)
	}
	if len(err.Error()) > maxClientError {
		return &cutError{err}
	}
	return err
}

// cutError is an error with a truncated text.
type cutError struct{ error }

func (e *cutError) Error() string { return e.error.Error()[:maxClientError] + "..." }

func (e *cutError) Unwrap() error { return e.error }

// dialer returns the handshake for these options.
func (d *dialing) dialer() ws.Dialer {
	dialer := ws.Dialer{
		Protocols: d.opts.subprotocols(),
		Host:      d.opts.Host,
		Header:    ws.HandshakeHeaderHTTP(ws.RequestHeader(d.opts.HTTPHeader)),
	}
	if p, ok := d.opts.CompressionMode.policy(d.opts.CompressionPolicy, true); ok {
		d.offer = &p
		dialer.Extensions = []httphead.Option{p.Option()}
	}
	return dialer
}

// subprotocols returns the subprotocols to offer.
func (o *DialOptions) subprotocols() []string {
	offered := slices.Clone(o.Subprotocols)
	for name, values := range o.HTTPHeader {
		if len(o.Subprotocols) == 0 && http.CanonicalHeaderKey(name) == "Sec-Websocket-Protocol" {
			for p := range strings.SplitSeq(strings.Join(values, ","), ",") {
				offered = append(offered, strings.TrimSpace(p))
			}
		}
	}
	return slices.DeleteFunc(offered, func(p string) bool { return p == "" })
}

// client returns the client that sends the request. It has no timeout, which
// would also end the connection, and it restricts redirects.
func (d *dialing) client() *http.Client {
	client := *d.opts.client()
	client.Transport = handshakes(client.Transport)
	if t := d.opts.Transport; t != nil {
		s := &streams{Transport: t}
		if d.opts.Fallback {
			s.fallback = client.Transport
		}
		client.Transport = s
	}
	client.Timeout = 0
	client.CheckRedirect = boundRedirects(client.CheckRedirect)
	return &client
}

func (o *DialOptions) client() *http.Client { return cmp.Or(o.HTTPClient, http.DefaultClient) }

// trace returns a context that makes the request set lastConn, unless the body
// of rt's response is the connection.
func (d *dialing) trace(ctx context.Context, rt http.RoundTripper) context.Context {
	if _, ours := rt.(handshakeTransport); ours {
		return ctx
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { d.lastConn.Store(&info.Conn) },
	})
}

// netConn returns the connection of the last request, or nil if it is unknown.
func (d *dialing) netConn() net.Conn {
	if conn := d.lastConn.Load(); conn != nil {
		return *conn
	}
	return nil
}

// finish turns a response into the configuration for newConn. On error nothing
// stays open.
func (d *dialing) finish(resp *http.Response, check func(*http.Response, []byte) (ws.Handshake, error)) (connConfig, error) {
	body := resp.Body
	var shown []byte
	opened, isStream := body.(*streamBody)
	if resp.StatusCode != http.StatusSwitchingProtocols && !isStream {
		shown = bodyStart(body)
	}
	resp.Body = io.NopCloser(bytes.NewReader(shown))

	hs, err := check(resp, shown)
	var agreed *wsflate.Parameters
	if err == nil {
		agreed, err = d.confirm(hs.Extensions)
	}
	stream, writable := body.(io.ReadWriteCloser)
	if err == nil && !writable {
		err = fmt.Errorf("the client's Transport does not support upgrades: response body %T is not an io.Writer", body)
	}
	if err != nil {
		body.Close()
		return connConfig{}, err
	}
	var transport io.ReadWriteCloser
	var received []byte
	if isStream {
		transport = opened.Stream
	} else {
		transport, received = underlying(stream, d.netConn())
	}
	return connConfig{
		transport:   transport,
		received:    received,
		client:      true,
		subprotocol: hs.Protocol,
		request:     d.opts.keepRequest(resp.Request),
		flate:       agreed,
		threshold:   threshold(d.opts.CompressionThreshold, agreed, true),
		onPing:      d.opts.OnPingReceived,
		onPong:      d.opts.OnPongReceived,
		ConnOptions: d.opts.ConnOptions,
	}, nil
}

// confirm returns the compression parameters that the server has accepted.
func (d *dialing) confirm(extensions []httphead.Option) (*wsflate.Parameters, error) {
	if len(extensions) == 0 || d.offer == nil {
		return nil, nil // finish has refused extensions that were not offered
	}
	agreed, err := d.offer.Confirm(extensions[0])
	if err != nil {
		return nil, err
	}
	return &agreed, nil
}

// bodyStart returns the first bytes of a body that arrive in a short time.
func bodyStart(body io.ReadCloser) []byte {
	defer time.AfterFunc(ws.RefusalBodyTimeout, func() { body.Close() }).Stop()
	p, _ := io.ReadAll(io.LimitReader(body, ws.MaxRefusalBody))
	return p
}
