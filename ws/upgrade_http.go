package ws

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/wskit/wskit/httphead"
)

// HTTPUpgrader accepts WebSocket connections under net/http (RFC 6455, section
// 4.2). The zero value is ready to use. Its methods do not modify it and are
// safe for concurrent use.
type HTTPUpgrader struct {
	// Timeout limits the time to write the response. 0 means
	// [DefaultHandshakeTimeout]. A negative value means no limit.
	Timeout time.Duration

	// Header is sent with every response of status 101. If it contains fields
	// of the handshake itself, such as Sec-WebSocket-Protocol, the handshake
	// fails.
	Header http.Header

	// Limits limits the offers of the request. The status of a larger request
	// is 431.
	Limits HandshakeLimits

	// Hosts is like [Upgrader].Hosts.
	Hosts []string

	// AnswerThroughWriter sends the response of status 101 with WriteHeader of
	// the http.ResponseWriter, including the fields of its Header, such as
	// cookies. Middleware that acts in WriteHeader, for example to save a
	// session, needs this. By default the response is written to the
	// connection, and middleware sees only that the connection is hijacked.
	// AnswerThroughWriter does not work with a server that has keep-alives
	// disabled, because net/http then replaces "Connection: Upgrade".
	AnswerThroughWriter bool

	// OnRequest is called with the request after it was checked, and before a
	// subprotocol is chosen. An error refuses the handshake, as with the
	// callbacks of [Upgrader].
	OnRequest func(r *http.Request) error

	// Protocol chooses a subprotocol. It is called with each offered
	// subprotocol, in the client's order, until it returns true.
	Protocol func(protocol string) bool

	// ChooseProtocol, if set, is called instead of Protocol, once, with all
	// offered subprotocols in the client's order, if there are any. It returns
	// one of them, or "" for none. An error refuses the handshake.
	ChooseProtocol func(offered []string) (protocol string, err error)

	// RequireProtocol is like [Upgrader].RequireProtocol.
	RequireProtocol []string

	// Negotiate is like [Upgrader].Negotiate.
	Negotiate func(offer httphead.Option) (accepted httphead.Option, err error)

	// Extension is like [Upgrader].Extension.
	//
	// Deprecated: Use Negotiate, which chooses the parameters.
	Extension func(offer httphead.Option) bool
}

// DefaultHTTPUpgrader is the HTTPUpgrader of [UpgradeHTTP].
var DefaultHTTPUpgrader HTTPUpgrader

// UpgradeHTTP is [HTTPUpgrader.Upgrade] of [DefaultHTTPUpgrader].
func UpgradeHTTP(r *http.Request, w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, Handshake, error) {
	return DefaultHTTPUpgrader.Upgrade(r, w)
}

// Upgrade checks r like [Upgrader.Upgrade], takes over the connection from the
// server, and answers with one write. If it refuses the request, it answers
// through w, so that middleware sees the refusal. The server then closes the
// connection. The errors are those of [Upgrader.Upgrade].
//
// The server reads the request before Upgrade is called. Its limits are
// [http.Server].ReadHeaderTimeout and MaxHeaderBytes.
//
// The caller must close conn. Upgrade clears deadlines that the server had set.
// rw is the server's buffer of 8 KiB, which the caller may drop. If the client
// sent frames right after its request, both rw and conn return them: conn first
// returns the bytes in rw.Reader. In that case conn wraps the server's
// connection, and its method NetConn returns that connection.
func (u HTTPUpgrader) Upgrade(r *http.Request, w http.ResponseWriter) (conn net.Conn, rw *bufio.ReadWriter, hs Handshake, err error) {
	if r == nil || isNil(w) {
		return nil, nil, Handshake{}, refuseNil(w)
	}
	s := newUpgrade(0, 0)
	defer s.release()
	u.policy(&s.u, r)

	if err = s.takeRequest(r); err == nil && r.ProtoMajor > 1 {
		err = s.refuseStream()
	}
	if err == nil {
		hs, err = s.u.decideSorted(&s.req)
	}
	answered := false
	if err == nil && u.AnswerThroughWriter {
		err = u.answerThrough(w, &s.req)
		answered = err == nil
	}
	if err == nil {
		conn, rw, err = hijack(w)
	}
	if err != nil {
		if answered || errors.Is(err, http.ErrHijacked) {
			return nil, nil, Handshake{}, &connError{"take over", err} // no connection to answer on
		}
		rejection(err).serve(w, r)
		return nil, nil, Handshake{}, err
	}
	if answered {
		err = conn.SetDeadline(time.Time{})
	} else {
		s.out = s.req.appendResponse(s.out[:0])
		err = u.answer(conn, s.out)
	}
	if err != nil {
		conn.Close()
		return nil, nil, Handshake{}, &connError{"write response", err}
	}
	return unread(conn, rw.Reader), rw, hs, nil
}

// refuseNil returns the error for a nil writer or request. It is a separate
// function to keep the stack of a handler small.
//
//go:noinline
func refuseNil(w http.ResponseWriter) error {
	if isNil(w) {
		return errNilWriter
	}
	internalError.serve(w, new(http.Request))
	return errNilRequest
}

// refuseStream refuses a request of HTTP/2 or HTTP/3.
//
//go:noinline
func (s *upgrade) refuseStream() error {
	if err := s.req.checkConnect(); err != nil {
		return err
	}
	return errExtendedConnect
}

// UpgradeStream checks r, an extended CONNECT of HTTP/2 or HTTP/3 (RFC 8441,
// RFC 9220), like [Upgrader.Decide], and answers it through w with status 200.
// The stream is then r.Body for reading and w for writing. Each Write needs a
// Flush. The stream ends when the handler returns, and keeps the deadlines of
// the server. [websocket.Accept] makes a connection of it.
//
// Timeout and AnswerThroughWriter have no effect. If it refuses the request, it
// answers through w. The errors are those of [Upgrader.Upgrade]. The response
// to an HTTP/1.1 request has status 505.
//
// [websocket.Accept]: https://pkg.go.dev/github.com/wskit/wskit/websocket#Accept
func (u HTTPUpgrader) UpgradeStream(r *http.Request, w http.ResponseWriter) (Handshake, error) {
	if r == nil || isNil(w) {
		return Handshake{}, refuseNil(w)
	}
	s := newUpgrade(0, 0)
	defer s.release()
	u.policy(&s.u, r)

	var hs Handshake
	err := s.takeRequest(r)
	if err == nil && r.ProtoMajor < 2 {
		err = ErrHandshakeBadProtocol
	}
	if err == nil {
		hs, err = s.u.decideSorted(&s.req)
	}
	if err == nil && !offers[http.Flusher](w) {
		err = errNotFlusher
	}
	if err == nil {
		err = s.req.setHeader(w.Header())
	}
	if err != nil {
		rejection(err).serve(w, r)
		return Handshake{}, err
	}
	w.WriteHeader(s.req.status())
	if err := http.NewResponseController(w).Flush(); err != nil {
		return Handshake{}, fmt.Errorf("ws: upgrade: write response: %w", err)
	}
	return hs, nil
}

// policy sets raw, which is zero, to the policy of u for r. It modifies raw in
// place to keep the stack of a handler small.
func (u *HTTPUpgrader) policy(raw *Upgrader, r *http.Request) {
	raw.Negotiate, raw.Extension, raw.chooseProtocol = u.Negotiate, u.Extension, u.ChooseProtocol
	raw.Limits, raw.Hosts = u.Limits, u.Hosts
	raw.RequireProtocol = u.RequireProtocol
	if onRequest := u.OnRequest; onRequest != nil {
		raw.OnRequest = func([]byte) error { return onRequest(r) }
	}
	if u.Header != nil {
		raw.Header = HandshakeHeaderHTTP(u.Header)
	}
	if protocol := u.Protocol; protocol != nil {
		raw.Protocol = func(p []byte) bool { return protocol(string(p)) }
	}
}

// httpFields are the fields that a handshake reads, with their names in an
// http.Header, which does not contain Host.
var httpFields = [...]struct {
	key   string
	name  []byte
	field handshakeField
}{
	{"Upgrade", []byte("Upgrade"), fieldUpgrade},
	{"Connection", []byte("Connection"), fieldConnection},
	{"Sec-Websocket-Key", []byte("Sec-WebSocket-Key"), fieldKey},
	{"Sec-Websocket-Version", []byte("Sec-WebSocket-Version"), fieldVersion},
	{"Sec-Websocket-Protocol", []byte("Sec-WebSocket-Protocol"), fieldProtocol},
	{"Sec-Websocket-Extensions", []byte("Sec-WebSocket-Extensions"), fieldExtensions},
	{fieldOrigin, []byte(fieldOrigin), handshakeFields},
}

var host = []byte("Host")

// takeRequest copies the data of r to s.req and sorts the fields, so that the
// same checks apply as to a raw upgrade.
func (s *upgrade) takeRequest(r *http.Request) error {
	s.req.Major, s.req.Minor = r.ProtoMajor, r.ProtoMinor
	s.req.secure = r.TLS != nil
	s.req.Method = s.hold(r.Method)
	body := announcesBody(r)
	if r.ProtoMajor > 1 {
		s.takeConnect(r)
		body = len(s.req.Protocol) > 0 && r.Header["Content-Length"] != nil // the length would bound the stream
	}
	if body {
		return malformed(httphead.ErrBody, httphead.Limits{})
	}
	err := s.takeFields(r, false)
	if err == nil && s.req.fields.count[fieldKey] == 0 && r.Header[fieldKey.String()] != nil {
		err = s.takeFields(r, true) // the request did not come from net/http
	}
	s.req.head.Fields = s.req.Fields // Reset keeps its memory
	return err
}

// takeFields copies the fields that the handshake reads. asSent says that the
// keys of r.Header are spelled as in the RFC.
func (s *upgrade) takeFields(r *http.Request, asSent bool) error {
	s.req.Fields, s.req.fields = s.req.head.Fields[:0], headFields{}
	room := s.u.Limits.bytes()
	if r.Host != "" {
		if err := s.takeField(host, fieldHost, r.Host, &room); err != nil {
			return err
		}
		s.req.Host = s.req.Fields[0].Value
	}
	for i := range httpFields {
		f := &httpFields[i]
		key := f.key
		if asSent {
			key = string(f.name)
		}
		for _, value := range r.Header[key] {
			if err := s.takeField(f.name, f.field, value, &room); err != nil {
				return err
			}
		}
	}
	s.req.fields.all = s.req.Fields
	return nil
}

// takeConnect copies the pseudo-headers of an extended CONNECT that the
// handshake uses. net/http stores :protocol in the Header, and HTTP/3 servers
// store it in Proto.
func (s *upgrade) takeConnect(r *http.Request) {
	protocol := r.Header.Get(":protocol")
	if protocol == "" && !strings.HasPrefix(r.Proto, "HTTP/") {
		protocol = r.Proto
	}
	const enough = 512 // for an error to show
	s.req.Protocol = s.hold(protocol[:min(len(protocol), enough)])
	if r.URL != nil && r.URL.Path != "" {
		s.req.Target = s.hold("/") // only its presence is checked
	}
}

// takeField copies a field. It returns an error for a field over the limit.
func (s *upgrade) takeField(name []byte, f handshakeField, value string, room *int) error {
	size := fieldSize(name, value)
	if *room -= size; *room < 0 {
		return tooLarge("fields of the handshake", "MaxBytes")
	}
	held := s.hold(value)
	if f != handshakeFields {
		s.req.fields.note(f, held, len(s.req.Fields))
	}
	s.req.fields.size += size
	s.req.Fields = append(s.req.Fields, httphead.Field{Name: name, Value: held})
	return nil
}

// hold returns a copy of v in s.in. Earlier results stay valid.
func (s *upgrade) hold(v string) []byte {
	n := len(s.in)
	s.in = append(s.in, v...)
	return s.in[n:len(s.in):len(s.in)]
}

// hijack takes over the connection, through any middleware that unwraps.
func hijack(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if errors.Is(err, http.ErrNotSupported) {
		return nil, nil, ErrNotHijacker
	}
	return conn, rw, err
}

// answerThrough sends the response through net/http, with the header of w. It
// checks first that the connection can be taken over.
func (u *HTTPUpgrader) answerThrough(w http.ResponseWriter, agreed *Request) error {
	if !offers[http.Hijacker](w) {
		return ErrNotHijacker
	}
	if err := agreed.setHeader(w.Header()); err != nil {
		return err
	}
	if timeout := handshakeTimeout(u.Timeout); timeout > 0 {
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(timeout)) // otherwise the server's deadline applies
	}
	w.WriteHeader(http.StatusSwitchingProtocols)
	return nil
}

// offers reports whether w, or what it wraps, is a T.
func offers[T any](w http.ResponseWriter) bool {
	for {
		switch v := w.(type) {
		case T:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return false
		}
	}
}

// answer writes the response within the timeout, and clears all deadlines,
// including those of the server.
func (u *HTTPUpgrader) answer(conn net.Conn, p []byte) error {
	var deadline time.Time
	if timeout := handshakeTimeout(u.Timeout); timeout > 0 {
		deadline = time.Now().Add(timeout)
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := conn.Write(p); err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}

// handshakeTimeout returns the effective limit for a field named Timeout. It is
// negative if there is no limit.
func handshakeTimeout(d time.Duration) time.Duration {
	return cmp.Or(d, DefaultHandshakeTimeout)
}
