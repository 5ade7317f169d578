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

// DialOptions are the options of [Dial]. The zero value is ready to use. Dial does not
// change them: one value serves any number of calls at once.
type DialOptions struct {
	// HTTPClient sends the request; nil means [http.DefaultClient]. Its Jar,
	// CheckRedirect and Timeout are honored; Timeout bounds only the handshake, see [Dial].
	//
	// Of a Transport that is an [http.Transport], Dial takes what it says about
	// dialing, TLS, proxies and timeouts, and opens a connection of its own: one to a
	// proxy of scheme http or https by CONNECT, for ws too. It reads a head of
	// MaxResponseHeaderBytes, or 16 KiB and 128 fields if that is zero. Where Proxy
	// is [http.ProxyFromEnvironment], ALL_PROXY counts too, as in
	// [ws.ProxyFromEnvironment]. Any other RoundTripper, and a Transport with
	// OnProxyConnectResponse, gets the request. One that wraps an http.Transport has
	// the behavior of net/http, for instance for proxies and for the size of heads; one
	// that wraps a [ws.Dialer] has that of this package.
	HTTPClient *http.Client

	// Transport opens the stream by extended CONNECT: a *wsh2.Transport over HTTP/2.
	// nil means an upgrade of HTTP/1.1. HTTPClient then adds cookies and follows
	// redirects, and its own Transport is used only for Fallback.
	Transport Transport

	// Fallback makes Dial use HTTP/1.1 if Transport reports [ErrNoExtendedConnect].
	Fallback bool

	// HTTPHeader is sent with the request. What the handshake itself writes is left out of
	// it, so that the header of a request that is handed on may stand here. A field
	// Sec-WebSocket-Extensions is an error, since this connection could not speak what
	// a server agrees to: a proxy that passes offers on uses package wsbridge, or
	// Extensions of [ws.Dialer]. A field Sec-WebSocket-Protocol is taken for Subprotocols if those
	// are empty. Without a field User-Agent, Dial sends "wskit/" and its version; an
	// empty one is not sent.
	HTTPHeader http.Header

	// Host is the value of field Host, if it is not to be that of the URL.
	Host string

	// Subprotocols are offered to the server, the best first. Empty ones are left out.
	Subprotocols []string

	// CompressionMode is off by default.
	CompressionMode CompressionMode

	// CompressionThreshold and CompressionPolicy are those of [AcceptOptions].
	CompressionThreshold int
	CompressionPolicy    *wsflate.Parameters

	// OnPingReceived and OnPongReceived are those of [AcceptOptions].
	OnPingReceived func(ctx context.Context, payload []byte) bool
	OnPongReceived func(ctx context.Context, payload []byte)

	// BrowserQueue bounds what a page has received and not read, in bytes: a message
	// that arrives while more than that waits ends the connection with status 1008.
	// 0 means [DefaultBrowserQueue], a negative number no bound. It counts only in
	// browsers.
	BrowserQueue int

	ConnOptions
}

// Dial opens a connection to the server of the URL (RFC 6455, section 4.1). Its scheme is
// ws or wss; http and https mean the same. User and password in it go into field
// Authorization. opts may be nil.
//
// ctx and the Timeout of the client bound the handshake, with its redirects, and not the
// connection. If ctx has no deadline and Timeout is zero, the handshake is bounded by
// [ws.DefaultHandshakeTimeout], 10 s; a negative Timeout means no bound. In the error of
// a handshake that took too long, errors.As finds a [net.Error] that is a timeout.
// [Retryable] says whether an error may be gone if the program dials again.
//
// Redirects are followed as the client follows them, with two bounds: Authorization, Cookie
// and Proxy-Authorization go to no other origin than that of the URL, and what
// began with wss does not go on with ws.
//
// The response is that of the server, for its header. It is nil with an error if there
// was none; otherwise up to 4 KiB of its body can be read, and its Body need not be
// closed. An answer of another status than 101, or than 2xx to an extended CONNECT, is a
// *[ws.ConnectionRejectedError].
//
// Dial returns at once when ctx ends, and leaves nothing open. A RoundTripper that gets the
// request may keep a TCP connection that was being made, as any that is idle: see
// [http.Client.CloseIdleConnections]. A nil ctx is an error.
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

var errOffersInHeader = errors.New("HTTPHeader has offers of extensions: compression is offered by CompressionMode, " +
	"and a proxy passes offers on by package wsbridge or ws.Dialer.Extensions")

// dialing is one call of Dial.
type dialing struct {
	opts     *DialOptions
	began    clockTime
	offer    *wsflate.Parameters      // of compression, nil for none
	lastConn atomic.Pointer[net.Conn] // of the request sent last
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
	defer cancel() // for what hangs on it

	request, check, err := d.dialer().NewRequest(d.trace(handshake), urlstr)
	if err != nil {
		return nil, nil, err
	}
	resp, err := client.Do(request)
	if err != nil {
		if resp != nil {
			resp.Body = http.NoBody // closed already
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

// bound returns the context of the handshake: ctx, bounded by the client's Timeout, or by
// a default if nothing else bounds it.
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

// clientErrorMost is what a client's error says at most: the server has a say in it where it
// redirects.
const clientErrorMost = 4 * peertext.Max

// shorter returns an error of a client with a text that is bounded.
func shorter(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		e.URL = peertext.Cut(e.URL)
	}
	if len(err.Error()) > clientErrorMost {
		return &cutError{err}
	}
	return err
}

// cutError is an error whose text is cut.
type cutError struct{ error }

func (e *cutError) Error() string { return e.error.Error()[:clientErrorMost] + "..." }

func (e *cutError) Unwrap() error { return e.error }

// dialer returns the handshake that the options describe.
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

// subprotocols returns those to offer.
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

// client returns the client that sends the request: without a timeout, which would take
// the connection away that the answer opens, and with our bounds to redirects.
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

// trace has lastConn filled in.
func (d *dialing) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { d.lastConn.Store(&info.Conn) },
	})
}

// netConn returns the connection of the request sent last, or nil if it is not known.
func (d *dialing) netConn() net.Conn {
	if conn := d.lastConn.Load(); conn != nil {
		return *conn
	}
	return nil
}

// finish goes from an answer to what newConn needs. On an error nothing is left open.
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
		err = fmt.Errorf("the client's Transport cannot hand over its connection: %T is no io.Writer", body)
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

// confirm returns what the server agreed to of the compression that was offered.
func (d *dialing) confirm(extensions []httphead.Option) (*wsflate.Parameters, error) {
	if len(extensions) == 0 || d.offer == nil {
		return nil, nil // none that was not offered has come so far
	}
	agreed, err := d.offer.Confirm(extensions[0])
	if err != nil {
		return nil, err
	}
	return &agreed, nil
}

// bodyStart returns the first bytes of a body, or what of them arrives soon.
func bodyStart(body io.ReadCloser) []byte {
	defer time.AfterFunc(ws.RefusalBodyTimeout, func() { body.Close() }).Stop()
	p, _ := io.ReadAll(io.LimitReader(body, ws.MaxRefusalBody))
	return p
}
