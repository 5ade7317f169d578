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

// HTTPUpgrader opens WebSocket connections under net/http (RFC 6455, section
// 4.2). The zero value is ready; an HTTPUpgrader is not changed by its use and
// serves any number of goroutines at once.
type HTTPUpgrader struct {
	// Timeout bounds the writing of the answer. 0 stands for
	// [DefaultHandshakeTimeout], a negative value for no bound.
	Timeout time.Duration

	// Header is sent with every answer of status 101. Fields of the handshake
	// itself, such as Sec-WebSocket-Protocol, make it fail.
	Header http.Header

	// Limits bounds what the request may ask for; beyond it the answer is 431.
	Limits HandshakeLimits

	// Hosts are those of [Upgrader].
	Hosts []string

	// AnswerThroughWriter sends the answer of status 101 with the WriteHeader of
	// the http.ResponseWriter, and what its Header holds, such as cookies. Middleware
	// that acts in WriteHeader, such as one that saves a session, needs this. By
	// default the answer is written to the connection, and middleware sees only
	// that the connection is taken over. A server with keep-alives disabled cannot
	// answer in this way: net/http replaces "Connection: Upgrade" then.
	AnswerThroughWriter bool

	// OnRequest is called with the request, once it has been found to be in order
	// and before anything is chosen. An error refuses the handshake as that of a
	// callback of [Upgrader] does.
	OnRequest func(r *http.Request) error

	// Protocol chooses a subprotocol: it is called with those that the client
	// offers, in its order, until it returns true.
	Protocol func(protocol string) bool

	// ChooseProtocol, if set, is called in place of Protocol with all that the
	// client offers, in its order, if it offers any. It returns one of them, or ""
	// for none; an error refuses the handshake.
	ChooseProtocol func(offered []string) (protocol string, err error)

	// RequireProtocol is that of [Upgrader].
	RequireProtocol []string

	// Negotiate is that of [Upgrader].
	Negotiate func(offer httphead.Option) (accepted httphead.Option, err error)

	// Extension is that of [Upgrader].
	//
	// Deprecated: Use Negotiate, which chooses the parameters.
	Extension func(offer httphead.Option) bool
}

// DefaultHTTPUpgrader is what [UpgradeHTTP] uses.
var DefaultHTTPUpgrader HTTPUpgrader

// UpgradeHTTP is [HTTPUpgrader.Upgrade] of [DefaultHTTPUpgrader].
func UpgradeHTTP(r *http.Request, w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, Handshake, error) {
	return DefaultHTTPUpgrader.Upgrade(r, w)
}

// Upgrade checks r as [Upgrader.Upgrade] checks a request, takes the connection
// over from the server and answers with one write. A request that it refuses
// it answers through w, so that middleware sees it, with the connection closed
// behind it; the errors are those of [Upgrader.Upgrade].
//
// The server reads the request before Upgrade is called: [http.Server].ReadHeaderTimeout
// bounds that time, and MaxHeaderBytes that size.
//
// The connection, from then on the caller's to close, has no deadline, whatever
// the server had set. The bufio pair is the server's own, 8 KiB that may be let go
// of: frames that the client sent right behind its request come from either,
// for conn yields what rw.Reader holds before it reads on.
// Where there are such frames, conn is not the server's own connection but one
// with a method NetConn that returns it.
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
			return nil, nil, Handshake{}, &connError{"take over", err} // and nothing to answer on
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

// refuseNil returns the error of an Upgrade without a writer or a request. It is separate
// to keep the stack of a handler small.
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
	if err := checkConnect(&s.u, &s.req); err != nil {
		return err
	}
	return errExtendedConnect
}

// UpgradeStream checks r, an extended CONNECT of HTTP/2 or HTTP/3 (RFC 8441, RFC
// 9220), as [Upgrader.Decide] checks a request, and answers it through w with
// status 200. The stream is r.Body for reading and w for writing; each Write needs
// a Flush. It lasts until the handler returns, and its deadlines are those that the
// server had set. [websocket.Accept] makes a connection of it.
//
// Timeout and AnswerThroughWriter have no effect. A request that it refuses it
// answers through w; the errors are those of [Upgrader.Upgrade]. A request of
// HTTP/1.1 is answered with status 505.
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

// policy sets raw, which is zero, to decide about r as u does. It changes raw in place
// to keep the stack small, which a handler holds for as long as it runs.
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

// httpFields are the fields that a handshake reads, under the names by which net/http
// keeps them; Host it keeps separately.
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

// takeRequest copies what the handshake reads of r to where a raw upgrade has it, and
// sorts it: the questions are then the same, from wherever a request came.
func (s *upgrade) takeRequest(r *http.Request) error {
	s.req.Major, s.req.Minor = r.ProtoMajor, r.ProtoMinor
	s.req.secure = r.TLS != nil
	s.req.Method = s.hold(r.Method)
	if r.ProtoMajor > 1 {
		s.takeConnect(r)
	} else if announcesBody(r) {
		return malformed(httphead.ErrBody, httphead.Limits{})
	}
	err := s.takeFields(r, false)
	if err == nil && s.req.fields.count[fieldKey] == 0 && r.Header[fieldKey.String()] != nil {
		err = s.takeFields(r, true) // it did not come through net/http
	}
	s.req.head.Fields = s.req.Fields // whose memory Reset keeps
	return err
}

// takeFields copies the fields that the handshake reads. asSent says that names are
// spelled as in the RFC.
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

// takeConnect copies the pseudo-header fields of an extended CONNECT as far as the
// handshake asks for them: net/http keeps :protocol among the fields, HTTP/3 servers
// keep it in place of the version.
func (s *upgrade) takeConnect(r *http.Request) {
	protocol := r.Header.Get(":protocol")
	if protocol == "" && !strings.HasPrefix(r.Proto, "HTTP/") {
		protocol = r.Proto
	}
	const enough = 512 // for an error to show
	s.req.Protocol = s.hold(protocol[:min(len(protocol), enough)])
	if r.URL != nil && r.URL.Path != "" {
		s.req.Target = s.hold("/") // it is there; nothing else is asked about it
	}
}

// takeField copies a field, if there is room for it: what is over the limit is not copied.
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

// hold returns a copy of v in s.in. What it returned before stays as it is.
func (s *upgrade) hold(v string) []byte {
	n := len(s.in)
	s.in = append(s.in, v...)
	return s.in[n:len(s.in):len(s.in)]
}

// hijack takes the connection over, through any middleware that unwraps.
func hijack(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if errors.Is(err, http.ErrNotSupported) {
		return nil, nil, ErrNotHijacker
	}
	return conn, rw, err
}

// answerThrough has net/http send the answer, with what is in the header of w. The
// connection can be taken over after that, or it is not answered.
func (u *HTTPUpgrader) answerThrough(w http.ResponseWriter, agreed *Request) error {
	if !offers[http.Hijacker](w) {
		return ErrNotHijacker
	}
	if err := agreed.setHeader(w.Header()); err != nil {
		return err
	}
	if timeout := handshakeTimeout(u.Timeout); timeout > 0 {
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(timeout)) // or the server's holds
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

// answer writes the answer within the time allowed, and lifts all deadlines,
// those of the server, too.
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

// handshakeTimeout is the bound that a field named Timeout stands for, not above
// 0 if there is none.
func handshakeTimeout(d time.Duration) time.Duration {
	return cmp.Or(d, DefaultHandshakeTimeout)
}
