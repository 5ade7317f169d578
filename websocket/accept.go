package websocket

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// AcceptOptions are the options of [Accept]. The zero value has the defaults.
// Accept does not modify them, so concurrent calls may share one value.
type AcceptOptions struct {
	// Subprotocols are the subprotocols of the server in order of preference.
	// The first one that the client also offers is chosen. If there is none,
	// the connection has no subprotocol, and [Conn.Subprotocol] returns "".
	Subprotocols []string

	// RequireSubprotocol refuses a client for which neither Subprotocols nor
	// ChooseSubprotocol chooses a subprotocol. The response has status 400 and
	// a text that lists Subprotocols, which must not be empty. A browser that
	// has offered subprotocols would end such a connection anyway.
	RequireSubprotocol bool

	// ChooseSubprotocol, if not nil, chooses the subprotocol instead of
	// Subprotocols. It is called if the client offers any, with the offers in
	// the client's order of preference. It returns one of them, or "" for none.
	// An error refuses the handshake as an error of OnHandshake does.
	ChooseSubprotocol func(r *http.Request, offered []string) (string, error)

	// InsecureSkipVerify turns off the check of the origin. Any page that a
	// user opens in a browser can then connect with the user's cookies. Most
	// programs should use OriginPatterns instead.
	InsecureSkipVerify bool

	// OriginPatterns are the hosts whose pages may connect, in addition to the
	// host of the request. A pattern has the syntax of [path.Match] and ignores
	// case. It matches the host of the origin, as in "*.example.com" or
	// "localhost:*", or if it contains "://", the scheme and host, as in
	// "https://*.example.com". The host includes the port, unless it is the
	// default port of the scheme. Schemes ws and wss mean http and https, and a
	// path in an origin is ignored. An origin without a host, "null" or
	// "file://", matches only a pattern that is equal to it. A request with
	// more than one origin matches no pattern. If a pattern can match no
	// origin, such as "https://example.com/", Accept fails with status 500: see
	// Validate.
	OriginPatterns []string

	// CrossOrigin, if not nil, authorizes requests with its trusted origins and
	// bypass patterns. Accept checks a request as if it were a POST request,
	// because CrossOrigin accepts every GET request, and a handshake is one. A
	// program can then use one list of origins for its pages and its
	// WebSockets. OriginPatterns authorize further origins.
	CrossOrigin *http.CrossOriginProtection

	// Proxies, if not nil, are the reverse proxies that are trusted to report
	// the client's request. The check of the origin, Hosts, the callbacks and
	// the connection then see the request as the client sent it: see
	// [ws.Proxies.Request]. If Proxies is nil, they see the request of the last
	// proxy.
	Proxies *ws.Proxies

	// Hosts, if not empty, are the hosts that a client may request, in the
	// syntax of [ws.Upgrader]: "app.example", "*.example", "127.0.0.1:8080". A
	// request for another host is refused with status 421. A server on a
	// private network or on localhost needs this list against DNS rebinding: a
	// page whose name resolves to this server has the same origin as the host
	// that it requests.
	Hosts []string

	// HandshakeLimits are the limits of the request, whatever the server's
	// MaxHeaderBytes allows. A request that exceeds them is answered with
	// status 431.
	HandshakeLimits ws.HandshakeLimits

	// AnswerThroughWriter sends the response with the WriteHeader method of the
	// http.ResponseWriter. It is needed by middleware that acts in WriteHeader,
	// such as one that saves a session and sets its cookie. See
	// [ws.HTTPUpgrader].
	AnswerThroughWriter bool

	// CompressionMode enables compression. The default is CompressionDisabled.
	CompressionMode CompressionMode

	// CompressionThreshold is the minimum size in bytes of a compressed
	// message. 0 means 128, or 512 without context takeover; a negative value
	// means no minimum. A message that compression would not make smaller is
	// sent uncompressed.
	CompressionThreshold int

	// CompressionPolicy, if not nil, replaces the parameters that
	// CompressionMode negotiates, for example by smaller windows. It has no
	// effect if CompressionMode is CompressionDisabled.
	CompressionPolicy *wsflate.Parameters

	// OnPingReceived is called with the payload of each ping that a read
	// receives. It must not block. If it returns false, no pong is sent. The
	// payload is valid until it returns.
	OnPingReceived func(ctx context.Context, payload []byte) bool

	// OnPongReceived is called with the payload of each pong, under the rules
	// of OnPingReceived.
	OnPongReceived func(ctx context.Context, payload []byte)

	// OnHandshake is called after the request and its origin were checked. An
	// error refuses the handshake. If the error wraps a
	// [ws.RejectConnectionError], the response is the one that it describes.
	// Otherwise the response has status 500 and does not contain the text of
	// the error, which Accept returns. An error of [Dial], which may hold a
	// refusal by another server, is also answered with status 500. Fields that
	// OnHandshake adds to answer are sent with status 101, or 200 over HTTP/2
	// and HTTP/3.
	OnHandshake func(r *http.Request, answer http.Header) error

	ConnOptions
}

// Validate returns an error if every Accept would fail: an entry of
// OriginPatterns or Hosts can match nothing, one of Proxies is invalid, or
// RequireSubprotocol is set without Subprotocols. A program may call it when it
// starts.
func (o *AcceptOptions) Validate() error {
	if err := checkPatterns(o.OriginPatterns); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	return (&ws.Upgrader{Hosts: o.Hosts}).Validate()
}

// check is the part of Validate that the handshake does not check elsewhere.
func (o *AcceptOptions) check() error {
	if o.RequireSubprotocol && len(o.Subprotocols) == 0 {
		return errors.New("websocket: RequireSubprotocol requires Subprotocols")
	}
	return o.Proxies.Validate()
}

// Accept answers the handshake of a client and returns the connection (RFC
// 6455, section 4.2). It refuses a request from a page of another origin,
// unless the options authorize it. opts may be nil.
//
// Accept writes the response to w, even if it refuses the request. Fields that
// were set in w.Header() before the call, such as cookies, are also sent with
// status 101. Middleware sees the status of refusals. If the handshake
// succeeds, it sees only that the connection is hijacked, unless
// AnswerThroughWriter is set.
//
// The server has already read the request when Accept is called. Only
// [http.Server].ReadHeaderTimeout limits the time for reading it. Without that
// limit, a client that sends a byte now and then holds its connection
// indefinitely. IdleTimeout limits connections between requests. ReadTimeout
// and WriteTimeout end with the handshake.
//
// On error nothing stays open. A refusal is a *[ws.ConnectionRejectedError],
// which has the status, or the error of a callback.
//
// The caller owns the connection. Deadlines set by the server are cleared.
// Neither [http.Server.Shutdown] nor the return of the handler closes the
// connection: see [Group]. The context of the request ends when the handler
// returns. To release the memory of net/http, serve the connection on another
// goroutine and under another context, and return from the handler.
//
// Accept also accepts an extended CONNECT of HTTP/2 and HTTP/3 (RFC 8441, RFC
// 9220). The options have the same meaning, and AnswerThroughWriter is always
// on. The stream of such a connection belongs to the handler. The handler must
// not return before the connection is closed, and should defer [Conn.CloseNow]:
//
//   - When the handler returns, writes fail, and the connection is closed after
//     CloseTimeout. http.Server.Shutdown waits for the handler.
//   - A context that ends within a write closes the connection, as over TLS. A
//     context that ends between two messages leaves it usable. After the first
//     read with a context that can end, a second goroutine reads the stream.
//   - The server cannot end only its own direction: the stream ends when the
//     handler returns, or with RST_STREAM after CloseNow.
//
// If w is a [StreamHijacker], it hands over its stream, and these restrictions
// do not apply. Package xconnect enables extended CONNECT in net/http.
func Accept(w http.ResponseWriter, r *http.Request, opts *AcceptOptions) (*Conn, error) {
	if w == nil {
		return nil, errNilWriter
	}
	if opts == nil {
		opts = new(AcceptOptions)
	}
	r = opts.Proxies.Request(r)
	began := opts.begins()
	compression := &wsflate.Extension{Adaptive: true}
	u := opts.upgrader(w, r, compression)
	if r != nil && r.ProtoMajor > 1 {
		c, err := opts.acceptStream(w, r, u, compression, began)
		if err != nil {
			return nil, acceptError(err)
		}
		return c, nil
	}
	conn, rw, hs, err := u.Upgrade(r, w)
	if err == nil {
		var c *Conn
		cfg := opts.accepted(r, conn, rw, hs, compression)
		cfg.began = began
		if c, err = openConn(r.Context(), cfg); err == nil {
			return c, nil
		}
	} else {
		opts.refused(err)
	}
	return nil, acceptError(err)
}

// acceptError is a separate function to keep the stack frame of Accept small.
//
//go:noinline
func acceptError(err error) error { return fmt.Errorf("websocket: accept: %w", err) }

var errNilWriter = errors.New("websocket: accept: nil http.ResponseWriter")

// accepted returns the result of the handshake. It releases the buffer of the
// server's reader, which stays referenced until the handler returns. It is a
// separate function to keep the stack frame of Accept small.
func (o *AcceptOptions) accepted(r *http.Request, conn net.Conn, rw *bufio.ReadWriter, hs ws.Handshake, compression *wsflate.Extension) *connConfig {
	transport, received := ws.Detach(conn, rw.Reader)
	switch transport.(type) {
	case *net.TCPConn, *net.UnixConn, *tls.Conn: // these do not read through rw
		*rw.Reader = *bufio.NewReaderSize(transport, 0)
	}
	cfg := o.config(r, hs, compression)
	cfg.transport, cfg.received = transport, received
	return cfg
}

// config returns the negotiated and requested settings, without a transport.
func (o *AcceptOptions) config(r *http.Request, hs ws.Handshake, compression *wsflate.Extension) *connConfig {
	var agreed *wsflate.Parameters
	if p, ok := compression.Accepted(); ok {
		agreed = &p
	}
	cfg := new(connConfig)
	cfg.subprotocol = hs.Protocol
	cfg.request = o.keepRequest(r)
	if o.Proxies != nil {
		cfg.remote, _ = netip.ParseAddrPort(r.RemoteAddr)
	}
	cfg.flate = agreed
	cfg.threshold = threshold(o.CompressionThreshold, agreed, false)
	cfg.onPing, cfg.onPong = o.OnPingReceived, o.OnPongReceived
	cfg.ConnOptions = o.ConnOptions
	return cfg
}

// upgrader returns the handshake for these options.
func (o *AcceptOptions) upgrader(w http.ResponseWriter, r *http.Request, compression *wsflate.Extension) *ws.HTTPUpgrader {
	u := &ws.HTTPUpgrader{
		Hosts:               o.Hosts,
		Limits:              o.HandshakeLimits,
		AnswerThroughWriter: o.AnswerThroughWriter,
	}
	if set := w.Header(); len(set) > 0 || o.OnHandshake != nil {
		u.Header = ws.AnswerHeader(set)
	}
	if o.ChooseSubprotocol != nil {
		u.ChooseProtocol = func(offered []string) (string, error) { return o.ChooseSubprotocol(r, offered) }
	} else if len(o.Subprotocols) > 0 {
		u.ChooseProtocol = func(offered []string) (string, error) { return firstOf(o.Subprotocols, offered), nil }
	}
	if o.RequireSubprotocol {
		u.RequireProtocol = o.Subprotocols
	}
	u.OnRequest = func(r *http.Request) error {
		if o.Group.closing() {
			return errShuttingDown
		}
		if err := o.check(); err != nil {
			return err
		}
		if !o.InsecureSkipVerify {
			if err := o.checkOrigin(r); err != nil {
				return err
			}
		}
		if o.OnHandshake != nil {
			return o.OnHandshake(r, u.Header)
		}
		return nil
	}
	if policy, ok := o.CompressionMode.policy(o.CompressionPolicy, false); ok {
		compression.Parameters = policy
		u.Negotiate = compression.Negotiate
	}
	return u
}

// firstOf returns the first of preferred that is offered, or "".
func firstOf(preferred, offered []string) string {
	for _, p := range preferred {
		if slices.Contains(offered, p) {
			return p
		}
	}
	return ""
}
