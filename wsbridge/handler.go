package wsbridge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// Handler is an [http.Handler] that bridges WebSockets to backends. Backend is
// required. A Handler must not be copied, and its fields must not be modified,
// after its first use.
//
// A request that is not a handshake gets the response of [websocket.Accept],
// without a request to the backend. If the backend refuses, the response has
// its status and up to 4 KiB of its body. If the backend cannot be reached, the
// status is 502, or 504 after a timeout.
//
// ServeHTTP returns when the bridge ends. Over HTTP/2 and HTTP/3, its return
// ends the client's stream. If the connection to the backend was lost,
// ServeHTTP panics with [http.ErrAbortHandler] to reset the stream. Shutdown
// ends all bridges.
type Handler struct {
	// Backend returns the URL of the backend for a request, of scheme ws, wss,
	// http or https. An error refuses the request: with the status of the error
	// if it is a *[ws.ConnectionRejectedError], and with 502 otherwise.
	Backend func(r *http.Request) (*url.URL, error)

	// Transport opens the stream to the backend. nil means HTTP/1.1, through
	// Dialer.
	Transport websocket.Transport

	// Dialer opens HTTP/1.1 connections to the backend. Its Protocols,
	// Extensions, Header, OnHeader and Host are ignored. Its Timeout limits the
	// handshake with the backend, even if Transport is set.
	Dialer ws.Dialer

	// Rewrite, if not nil, modifies the header of the request to the backend.
	// At first, it is the header of r without the fields of the handshake and
	// the connection. The bridge does not add X-Forwarded-For. Rewrite must add
	// it if the backend uses it.
	Rewrite func(r *http.Request, header http.Header)

	// Compression, if not nil, is the policy for compression between the bridge
	// and its clients. The bridge then offers no compression to the backend. If
	// it is nil, the bridge forwards the offers of clients.
	Compression *wsflate.Parameters

	// ReadLimit is the maximum size of a message in bytes. A compressed message
	// counts with its compressed size, unless Compression is set. 0 means 32
	// MiB. A negative value means no limit. For a larger message, the bridge
	// closes the side that sent it with status 1009 and the other with 1001.
	ReadLimit int64

	// IdleTimeout is the time without traffic after which the bridge closes
	// both sides with status 1001. 0 means 1 hour, a negative value no limit.
	IdleTimeout time.Duration

	// OnError, if not nil, is called if the connection to the backend cannot be
	// opened. The client gets only the status.
	OnError func(r *http.Request, err error)

	// CloseTimeout is how long a bridge continues after one direction has
	// ended. 0 means 5 s.
	CloseTimeout time.Duration

	open open
}

// Defaults of [Handler].
const (
	defaultReadLimit    = 32 << 20
	defaultIdleTimeout  = time.Hour
	defaultCloseTimeout = 5 * time.Second
)

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	b := &bridge{h: h, r: r, ctx: ctx, answer: make(http.Header), leave: cancel, abort: cancel}
	defer h.open.exit(b)
	u := ws.HTTPUpgrader{Header: b.answer, OnRequest: b.connect, ChooseProtocol: b.choose, Negotiate: b.negotiate}
	if h.Compression != nil {
		b.extension = &wsflate.Extension{Parameters: *h.Compression, Adaptive: true}
	}
	front, hs, err := upgrade(&u, w, r)
	if err != nil {
		if b.back != nil {
			b.back.Close()
		}
		return
	}
	pass := b.tunnel
	if len(hs.Extensions) != len(b.agreed.Extensions) {
		pass = b.relay
	}
	clean := pass(front, hs)
	if s, ok := front.(handlerStream); ok {
		s.release(clean)
	}
}

// bridge is the state of one request.
type bridge struct {
	h         *Handler
	r         *http.Request
	ctx       context.Context // of the handshake with the backend
	back      io.ReadWriteCloser
	agreed    ws.Handshake // with the backend
	answer    http.Header  // fields of the backend's response for the client
	extension *wsflate.Extension

	negotiated bool // the backend's choice was forwarded

	leave, abort func() // close the bridge, and reset it: see open
}

// connect performs the handshake with the backend, before the response to the
// client.
func (b *bridge) connect(r *http.Request) error {
	if b.h.Backend == nil {
		return errors.New("wsbridge: Handler has no Backend")
	}
	if err := b.h.open.enter(b); err != nil {
		return err
	}
	u, err := b.h.Backend(r)
	if err == nil {
		err = b.dial(u)
	}
	if err == nil {
		return nil
	}
	if b.h.OnError != nil {
		b.h.OnError(r, err)
	}
	rejected, ok := errors.AsType[*ws.ConnectionRejectedError](err)
	switch timeout, _ := errors.AsType[interface {
		error
		Timeout() bool
	}](err); {
	case ok:
		return passOn(rejected)
	case timeout != nil && timeout.Timeout():
		return refusal(http.StatusGatewayTimeout)
	}
	return refusal(http.StatusBadGateway)
}

// dial opens the stream to the backend.
func (b *bridge) dial(u *url.URL) (err error) {
	d := b.h.Dialer
	d.Protocols, d.Extensions, d.Host = offeredProtocols(b.r), nil, ""
	d.Header, d.OnHeader = ws.HandshakeHeaderHTTP(b.header()), b.keep
	if b.h.Compression == nil {
		d.Extensions = offeredDeflate(b.r)
	}
	if b.h.Transport == nil {
		b.back, _, b.agreed, err = d.Dial(b.ctx, u.String())
	} else {
		b.back, b.agreed, err = websocket.OpenStream(b.ctx, b.h.Transport, d, u.String())
	}
	if err != nil {
		b.back = nil // not an interface that holds nil
	}
	return err
}

// keep stores a field of the backend's response for the client.
func (b *bridge) keep(name, value []byte) error {
	if slices.Contains(passedBack[:], string(name)) {
		b.answer.Add(string(name), string(value))
	}
	return nil
}

// passedBack are the fields of the backend's response that are forwarded to the
// client, in addition to those of the handshake.
var passedBack = [...]string{"Set-Cookie", "Server", "Date", "Strict-Transport-Security", "Content-Security-Policy"}

// header returns the fields of the request for the backend.
func (b *bridge) header() http.Header {
	h := b.r.Header.Clone()
	for _, list := range h["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range [...]string{
		":protocol", "Connection", "Upgrade", "Host", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate",
		"Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Content-Length", "Sec-Websocket-Key",
		"Sec-Websocket-Version", "Sec-Websocket-Protocol", "Sec-Websocket-Extensions", "Sec-Websocket-Accept",
	} {
		delete(h, name)
	}
	if h["User-Agent"] == nil {
		h["User-Agent"] = []string{""} // not ours
	}
	if b.h.Rewrite != nil {
		b.h.Rewrite(b.r, h)
	}
	return h
}

// passOn returns a backend's refusal as a refusal for the client.
func passOn(e *ws.ConnectionRejectedError) error {
	h := make(http.Header)
	for _, name := range [...]string{"Content-Type", "Location", "Retry-After", "Www-Authenticate", "Set-Cookie"} {
		if v := e.Header().Values(name); len(v) > 0 {
			h[name] = v
		}
	}
	return ws.RejectConnectionError(
		ws.RejectionStatus(e.StatusCode()), ws.RejectionReason("wsbridge: the backend refuses"),
		ws.RejectionBody(e.Body()), ws.RejectionHeader(ws.HandshakeHeaderHTTP(h)),
	)
}

func refusal(status int) error {
	text := "wsbridge: " + http.StatusText(status)
	return ws.RejectConnectionError(ws.RejectionStatus(status), ws.RejectionReason(text))
}

// choose returns the subprotocol that the backend has chosen.
func (b *bridge) choose([]string) (string, error) { return b.agreed.Protocol, nil }

// negotiate answers an offer of the client. It returns what the backend has
// chosen for the first offer with that name. With Compression, it returns the
// choice of the bridge.
func (b *bridge) negotiate(offer httphead.Option) (httphead.Option, error) {
	if b.extension != nil {
		return b.extension.Negotiate(offer)
	}
	i := slices.IndexFunc(b.agreed.Extensions, func(o httphead.Option) bool { return string(o.Name) == string(offer.Name) })
	if i < 0 || b.negotiated {
		return httphead.Option{}, nil
	}
	b.negotiated = true
	return b.agreed.Extensions[i], nil
}

func fieldsOf(r *http.Request, name string) (fields httphead.Fields) {
	for _, v := range r.Header.Values(name) {
		fields = append(fields, httphead.Field{Name: []byte(name), Value: []byte(v)})
	}
	return fields
}

// offeredProtocols returns the subprotocols that the client offers. The
// upgrader refuses a malformed list.
func offeredProtocols(r *http.Request) (offered []string) {
	const name = "Sec-Websocket-Protocol"
	for p, err := range fieldsOf(r, name).Tokens(name) {
		if err != nil {
			return nil
		}
		offered = append(offered, string(p))
	}
	return offered
}

// offeredDeflate returns the client's offers of permessage-deflate, the only
// extension whose frames the bridge can check.
func offeredDeflate(r *http.Request) (offered []httphead.Option) {
	const name = "Sec-Websocket-Extensions"
	for o, err := range fieldsOf(r, name).Options(name) {
		if err != nil {
			return nil
		}
		if string(o.Name) == wsflate.ExtensionName {
			offered = append(offered, cloneOption(o))
		}
	}
	return offered
}

// cloneOption is Clone, but keeps parameters without a value.
func cloneOption(o httphead.Option) httphead.Option {
	c := httphead.Option{Name: bytes.Clone(o.Name)}
	o.Parameters.ForEach(func(name, value []byte) bool {
		c.Parameters.Set(bytes.Clone(name), bytes.Clone(value))
		return true
	})
	return c
}
