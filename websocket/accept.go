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

// AcceptOptions are the options of [Accept]. The zero value is ready to use. Accept
// does not change them: one value serves any number of calls at once.
type AcceptOptions struct {
	// Subprotocols are those that the server speaks, the best first. The first
	// one that the client offers, too, is chosen. If there is none, the connection has
	// no subprotocol, and [Conn.Subprotocol] is empty.
	Subprotocols []string

	// RequireSubprotocol refuses a client that offers none of Subprotocols, or for which
	// ChooseSubprotocol chooses none, with status 400 and a text that names Subprotocols,
	// which must not be empty then. A browser ends a connection anyway for which it has
	// offered subprotocols and none is chosen.
	RequireSubprotocol bool

	// ChooseSubprotocol, if set, chooses in place of Subprotocols. It is called with
	// those that the client offers, the client's best first, if it offers any.
	// It returns one of them, or "" for none. An error refuses the handshake as that
	// of OnHandshake does.
	ChooseSubprotocol func(r *http.Request, offered []string) (string, error)

	// InsecureSkipVerify turns the check of the origin off: then any page that a
	// user opens in a browser can connect in that user's name. OriginPatterns is
	// what most need.
	InsecureSkipVerify bool

	// OriginPatterns name the hosts whose pages may connect, beside the host that the
	// request asks for. A pattern is one of [path.Match], letter case aside, for
	// the host of the origin, "*.example.com" or "localhost:*"; if it contains "://",
	// for scheme and host, "https://*.example.com". A port is part of the host
	// unless it is the default one of the scheme. Schemes ws and wss count as http and
	// https, and a path in an origin does not count. An origin without a host, "null" or
	// "file://", matches only the pattern that spells it out, and a request with more
	// than one origin matches none. A pattern that no origin can match, such as
	// "https://example.com/", makes Accept fail with status 500. See Validate.
	OriginPatterns []string

	// CrossOrigin, if set, authorizes what it would let pass as a POST, with its trusted
	// origins and bypass patterns: so a program has one list of origins for its pages and
	// its WebSockets. By itself it would let the request of a handshake pass, which
	// is a GET. OriginPatterns authorize others beside it.
	CrossOrigin *http.CrossOriginProtection

	// Proxies, if set, are the reverse proxies that are trusted to say what a client has
	// asked for. The check of the origin, Hosts, the callbacks and the connection then see
	// the request as the client has sent it: see [ws.Proxies.Request]. Without it they see
	// that of the last proxy.
	Proxies *ws.Proxies

	// Hosts, if not empty, are the hosts that a client may ask for, as in
	// [ws.Upgrader]: "app.example", "*.example", "127.0.0.1:8080". A request for another
	// host is refused with status 421. A page whose name was made to point to this
	// server (DNS rebinding) has the origin that it asks for: a server on a private
	// network or on localhost needs this list against it.
	Hosts []string

	// HandshakeLimits bounds what the request may ask for, whatever the server's
	// MaxHeaderBytes allows; beyond it the answer is 431.
	HandshakeLimits ws.HandshakeLimits

	// AnswerThroughWriter sends the answer with the WriteHeader of the
	// http.ResponseWriter, so that middleware that acts in WriteHeader takes part: one
	// that saves a session and sets its cookie needs this. See [ws.HTTPUpgrader].
	AnswerThroughWriter bool

	// CompressionMode is off by default.
	CompressionMode CompressionMode

	// CompressionThreshold is the length in bytes from which on a message is
	// compressed. 0 stands for 128, or 512 where no context is taken over, a negative
	// value for no bound. What would not become smaller goes out plain in any case.
	CompressionThreshold int

	// CompressionPolicy, if set, is what is negotiated if CompressionMode is not off, in
	// place of what that stands for: smaller windows, for instance.
	CompressionPolicy *wsflate.Parameters

	// OnPingReceived is called with the payload of each ping, while a read is under
	// way, and must not block. No pong is sent if it returns false. The payload is
	// valid until it returns.
	OnPingReceived func(ctx context.Context, payload []byte) bool

	// OnPongReceived is called with the payload of each pong, as OnPingReceived is.
	OnPongReceived func(ctx context.Context, payload []byte)

	// OnHandshake is called once the request and its origin have been found to be in
	// order, and may refuse it: with the answer that the error describes if it wraps
	// one of [ws.RejectConnectionError], and otherwise with a plain status 500: the
	// text of the error goes to the caller of Accept and not to the client. An error of
	// [Dial], the refusal of another server, also becomes a plain status 500. Fields that
	// OnHandshake adds to answer are sent with status 101, or 200 over HTTP/2 and HTTP/3.
	OnHandshake func(r *http.Request, answer http.Header) error

	ConnOptions
}

// Validate returns an error if an entry of OriginPatterns or Hosts can match nothing, one
// of Proxies is invalid, or RequireSubprotocol names no subprotocol, which makes every
// Accept fail. A program may call it when it starts.
func (o *AcceptOptions) Validate() error {
	if err := checkPatterns(o.OriginPatterns); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	return (&ws.Upgrader{Hosts: o.Hosts}).Validate()
}

// check is Validate for what has no other place in a handshake.
func (o *AcceptOptions) check() error {
	if o.RequireSubprotocol && len(o.Subprotocols) == 0 {
		return errors.New("websocket: RequireSubprotocol needs Subprotocols")
	}
	return o.Proxies.Validate()
}

// Accept answers the handshake of a client and returns the connection (RFC 6455, section
// 4.2). It refuses a request from a page of another origin, unless the options
// authorize it. opts may be nil.
//
// Each request that it refuses it answers through w. Fields that were set in w.Header()
// before, cookies for instance, go out with an answer of status 101, too. Middleware sees
// refusals with their status, and of a handshake that succeeds only that the connection
// is taken over, unless the options have AnswerThroughWriter.
//
// The server has read the request when Accept is called. The time for that is bounded only
// by [http.Server].ReadHeaderTimeout: set it, or a client that sends one byte now and then
// holds a connection for as long as it likes. IdleTimeout bounds connections between
// requests. ReadTimeout and WriteTimeout end with the handshake.
//
// On an error nothing is left open. A refusal is a *[ws.ConnectionRejectedError], which
// knows the status, or what a callback returned.
//
// From then on the connection is the caller's, deadlines that the server had set are gone, and
// neither [http.Server.Shutdown] nor the end of the handler closes it; see [Group]. The
// request's context ends when the handler returns. A connection that lives on in a goroutine
// of its own, with a context of its own, lets go of all that net/http keeps for a
// handler.
//
// Accept takes an extended CONNECT of HTTP/2 and HTTP/3 (RFC 8441, RFC 9220) as it takes
// an upgrade. The options mean the same; AnswerThroughWriter is always on. The stream of
// such a connection belongs to the handler, which has to stay until the connection is
// closed, and closes it with a deferred [Conn.CloseNow]:
//
//   - If the handler returns, writes fail, and the connection is closed after
//     CloseTimeout. http.Server.Shutdown waits for the handler.
//   - A context that ends within a write closes the connection, as over TLS. One that
//     ends between two messages leaves it usable; from the first read with a context
//     that can end on, a second goroutine reads.
//   - The server cannot end its direction alone: the stream ends when the handler
//     returns, or with RST_STREAM after CloseNow.
//
// A w that is a [StreamHijacker] hands its stream over, and then nothing of this
// applies. Package xconnect switches extended CONNECT on in net/http.
func Accept(w http.ResponseWriter, r *http.Request, opts *AcceptOptions) (*Conn, error) {
	if w == nil {
		return nil, errNilWriter
	}
	if opts == nil {
		opts = new(AcceptOptions)
	}
	r = opts.Proxies.Request(r)
	began := opts.begins()
	compression := &wsflate.Extension{Adapts: true}
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

// acceptError is apart from Accept to keep the stack of a handler small.
//
//go:noinline
func acceptError(err error) error { return fmt.Errorf("websocket: accept: %w", err) }

var errNilWriter = errors.New("websocket: accept: nil http.ResponseWriter")

// accepted returns what the handshake has come to. It lets go of the buffer of the
// server's reader, which stays referenced for as long as the handler runs. It is apart from
// Accept to keep the stack of a handler small.
func (o *AcceptOptions) accepted(r *http.Request, conn net.Conn, rw *bufio.ReadWriter, hs ws.Handshake, compression *wsflate.Extension) *connConfig {
	transport, received := ws.Detach(conn, rw.Reader)
	switch transport.(type) {
	case *net.TCPConn, *net.UnixConn, *tls.Conn: // one that does not read through rw itself
		*rw.Reader = *bufio.NewReaderSize(transport, 0)
	}
	cfg := o.config(r, hs, compression)
	cfg.transport, cfg.received = transport, received
	return cfg
}

// config returns what was agreed on and asked for, without a transport.
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

// upgrader returns the handshake that these options describe.
func (o *AcceptOptions) upgrader(w http.ResponseWriter, r *http.Request, compression *wsflate.Extension) *ws.HTTPUpgrader {
	u := &ws.HTTPUpgrader{
		Header:              ws.AnswerHeader(w.Header()),
		Hosts:               o.Hosts,
		Limits:              o.HandshakeLimits,
		AnswerThroughWriter: o.AnswerThroughWriter,
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
