package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"reflect"
	"time"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/ws"
)

// handshakeTransport performs the handshake of package ws with the settings of
// an [http.Transport]. The Transport itself would send a ws URL to a proxy as a
// plain request, drop the Connection field if it has close in addition to
// Upgrade, and read heads of 10 MB.
type handshakeTransport struct{ *http.Transport }

// handshakes returns the RoundTripper for a handshake: rt, or a
// handshakeTransport for it.
func handshakes(rt http.RoundTripper) http.RoundTripper {
	if rt == nil {
		rt = http.DefaultTransport
	}
	if t, ok := rt.(*http.Transport); ok && t.OnProxyConnectResponse == nil {
		return handshakeTransport{t}
	}
	return rt
}

// RoundTrip performs a handshake on a new connection, which no later request
// uses.
func (t handshakeTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.TLSHandshakeTimeout <= 0 && t.ResponseHeaderTimeout <= 0 {
		return t.dialer().RoundTrip(r)
	}
	stages := stages{tls: t.TLSHandshakeTimeout, answer: t.ResponseHeaderTimeout}
	ctx := stages.watch(r.Context())
	defer stages.end()
	resp, err := t.dialer().RoundTrip(r.WithContext(ctx))
	if late, ok := errors.AsType[*stageError](context.Cause(ctx)); ok && err != nil {
		err = late
	}
	if resp != nil {
		resp.Request = r
	}
	return resp, err
}

// send is client.Do. Without a cookie jar, http.Client adds nothing to a request
// that succeeds. send therefore calls a handshakeTransport directly, and passes
// only errors and redirects to the client.
func send(client *http.Client, r *http.Request) (*http.Response, error) {
	t, direct := client.Transport.(handshakeTransport)
	if !direct || client.Jar != nil {
		return client.Do(r)
	}
	resp, err := t.RoundTrip(r)
	if err == nil && resp.StatusCode/100 != 3 {
		return resp, nil
	}
	client.Transport = &answered{t, resp, err}
	return client.Do(r)
}

// answered is a RoundTripper that has already sent the first request.
type answered struct {
	http.RoundTripper
	resp *http.Response
	err  error
}

// RoundTrip returns the response to the first request, and sends later ones.
func (a *answered) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := a.resp, a.err
	if resp == nil && err == nil {
		return a.RoundTripper.RoundTrip(r)
	}
	a.resp, a.err = nil, nil
	return resp, err
}

// dialer returns a dialer that connects as t does.
func (t handshakeTransport) dialer() ws.Dialer {
	d := ws.Dialer{
		Timeout:        -1,
		ReadBufferSize: t.ReadBufferSize,
		NetDial:        promptly(t.DialContext),
		NetDialTLS:     promptly(t.DialTLSContext),
		Proxy:          t.Proxy,
		ProxyHeader:    t.GetProxyConnectHeader,
		TLSConfig:      t.TLSClientConfig,
	}
	if most := t.MaxResponseHeaderBytes; most != 0 {
		d.HeadLimits = httphead.Limits{MaxBytes: int(min(most, math.MaxInt)), MaxFields: -1}
	}
	if d.NetDial == nil {
		d.NetDial = promptly(withoutContext(t.Dial))
	}
	if d.NetDialTLS == nil {
		d.NetDialTLS = promptly(withoutContext(t.DialTLS))
	}
	if d.ProxyHeader == nil && t.ProxyConnectHeader != nil {
		d.ProxyHeader = func(context.Context, *url.URL, string) (http.Header, error) { return t.ProxyConnectHeader, nil }
	}
	if t.Proxy != nil && reflect.ValueOf(t.Proxy).Pointer() == reflect.ValueOf(http.ProxyFromEnvironment).Pointer() {
		d.Proxy = ws.ProxyFromEnvironment
	}
	return d
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

func withoutContext(dial func(network, addr string) (net.Conn, error)) dialFunc {
	if dial == nil {
		return nil
	}
	return func(_ context.Context, network, addr string) (net.Conn, error) { return dial(network, addr) }
}

// promptly returns a dial function that returns when the context ends, even if
// dial does not. If dial makes a connection later, promptly closes it.
func promptly(dial dialFunc) dialFunc {
	if dial == nil {
		return nil
	}
	type result struct {
		conn     net.Conn
		err      error
		panicked any
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		done := make(chan result)
		go func() {
			r := result{err: errExited}
			defer func() {
				r.panicked = recover()
				select {
				case done <- r:
				case <-ctx.Done():
					defer func() { recover() }() // Close may panic, for example on a nil pointer, and no caller is left
					if r.conn != nil {
						r.conn.Close()
					}
				}
			}()
			r.conn, r.err = dial(ctx, network, addr)
		}()
		select {
		case r := <-done:
			repanic(r.panicked)
			return r.conn, r.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// stages limits the time of each stage of a handshake. A trace reports the
// stages.
type stages struct {
	tls, answer time.Duration
	cancel      context.CancelCauseFunc
	timer       *time.Timer
}

// stageError is the [net.Error] of a stage that took too long.
type stageError struct{ stage string }

func (e *stageError) Error() string   { return "timeout waiting for " + e.stage }
func (e *stageError) Timeout() bool   { return true }
func (e *stageError) Temporary() bool { return true }

func (s *stages) watch(ctx context.Context) context.Context {
	ctx, s.cancel = context.WithCancelCause(ctx)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeStart: func() { s.begin(s.tls, "the TLS handshake") },
		TLSHandshakeDone:  func(tls.ConnectionState, error) { s.end() },
		WroteRequest:      func(httptrace.WroteRequestInfo) { s.begin(s.answer, "the answer") },
	})
}

func (s *stages) begin(most time.Duration, stage string) {
	if most > 0 {
		s.timer = time.AfterFunc(most, func() { s.cancel(&stageError{stage}) })
	}
}

func (s *stages) end() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// underlying returns the transport of a connection from the body of a response
// with status 101, and the data that was already read from it. conn is the
// net.Conn under body. It is nil if it is not known, because a RoundTripper
// other than http.Transport may not report it.
func underlying(body io.ReadWriteCloser, conn net.Conn) (transport io.ReadWriteCloser, received []byte) {
	if c, ok := body.(net.Conn); ok { // from handshakeTransport
		return ws.Detach(c, nil)
	}
	if conn == nil {
		return body, nil
	}
	if isPlainBody(body) {
		if received, ok := drain(body, conn); ok {
			return conn, received
		}
	}
	t := &bodyTransport{body, conn}
	if tls, ok := conn.(handshaker); ok {
		return &secureBodyTransport{t, tls}, nil
	}
	return t, nil
}

// isPlainBody reports whether body has the type that http.Transport returns.
// Such a body yields the data read after the response, and then reads from the
// connection. A type that wraps it may do more.
func isPlainBody(body io.ReadWriteCloser) bool {
	return reflect.TypeOf(body).String() == "*http.readWriteCloserBody"
}

// drain returns the data that body holds without reading from conn. ok is false
// if conn has no deadlines, which drain needs.
func drain(body io.Reader, conn net.Conn) (held []byte, ok bool) {
	if conn.SetReadDeadline(longAgo) != nil {
		return nil, false
	}
	defer conn.SetReadDeadline(time.Time{})
	p := make([]byte, 4096)
	for {
		n, err := body.Read(p)
		held = append(held, p[:n]...)
		if err != nil { // of conn, which returns it again later, unless it is the deadline
			return held, true
		}
	}
}

// bodyTransport combines a body, which carries the bytes, with the connection
// under it, which has the deadlines.
type bodyTransport struct {
	io.ReadWriteCloser
	conn net.Conn
}

func (t *bodyTransport) SetReadDeadline(at time.Time) error  { return t.conn.SetReadDeadline(at) }
func (t *bodyTransport) SetWriteDeadline(at time.Time) error { return t.conn.SetWriteDeadline(at) }
func (t *bodyTransport) LocalAddr() net.Addr                 { return t.conn.LocalAddr() }
func (t *bodyTransport) RemoteAddr() net.Addr                { return t.conn.RemoteAddr() }

// CloseWrite closes only the sending direction of the body or the connection.
func (t *bodyTransport) CloseWrite() error {
	for _, half := range [...]any{t.ReadWriteCloser, t.conn} {
		if half, ok := half.(writeCloser); ok {
			return half.CloseWrite()
		}
	}
	return errors.ErrUnsupported
}

// secureBodyTransport is a bodyTransport over TLS.
type secureBodyTransport struct {
	*bodyTransport
	tls handshaker
}

func (t *secureBodyTransport) HandshakeContext(ctx context.Context) error {
	return t.tls.HandshakeContext(ctx)
}

// NetConn returns the connection under TLS, which the end of the transport
// uses.
func (t *secureBodyTransport) NetConn() net.Conn {
	if s, ok := t.tls.(secured); ok {
		return s.NetConn()
	}
	return t.conn
}
