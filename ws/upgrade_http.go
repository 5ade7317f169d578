package ws

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
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

	// Negotiate is that of [Upgrader].
	Negotiate func(offer httphead.Option) (accepted httphead.Option, err error)
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
// The connection, from then on the caller's to close, has no deadline, whatever
// the server had set. The bufio pair is the server's own, 8 KiB that may be let go
// of: frames that the client sent right behind its request come from either,
// for conn yields what rw.Reader holds before it reads on.
// Where there are such frames, conn is not the server's own connection but one
// with a method NetConn that returns it.
func (u HTTPUpgrader) Upgrade(r *http.Request, w http.ResponseWriter) (conn net.Conn, rw *bufio.ReadWriter, hs Handshake, err error) {
	s := u.begin(r)
	defer s.release()

	if err = s.takeRequest(r); err == nil {
		err = s.negotiate()
	}
	if err == nil {
		conn, rw, err = hijack(w)
	}
	if err != nil {
		if errors.Is(err, http.ErrHijacked) {
			return nil, nil, Handshake{}, err // and nothing to answer on
		}
		refusal := rejection(err)
		refusal.serve(w)
		return nil, nil, Handshake{}, answered(err, refusal)
	}
	if err = u.answer(conn, s.out); err != nil {
		conn.Close()
		return nil, nil, Handshake{}, fmt.Errorf("ws: upgrade: write response: %w", err)
	}
	return unread(conn, rw.Reader), rw, s.result, nil
}

// begin begins an upgrade. It is apart for the sake of the stack, which a handler keeps
// for as long as it runs: an Upgrader is a large value.
func (u HTTPUpgrader) begin(r *http.Request) *upgrade { return newUpgrade(u.upgrader(r)) }

// upgrader is the [Upgrader] that negotiates about r as u does.
func (u HTTPUpgrader) upgrader(r *http.Request) Upgrader {
	raw := Upgrader{Negotiate: u.Negotiate, chooseProtocol: u.ChooseProtocol}
	if u.OnRequest != nil {
		raw.OnRequest = func([]byte) error { return u.OnRequest(r) }
	}
	if u.Header != nil {
		raw.Header = HandshakeHeaderHTTP(u.Header)
	}
	if u.Protocol != nil {
		raw.Protocol = func(p []byte) bool { return u.Protocol(string(p)) }
	}
	return raw
}

// httpFields are the handshake's fields of a request under the names by which
// net/http keeps them; Host it keeps apart.
var httpFields = [...]struct {
	field handshakeField
	key   string
	name  []byte
}{
	{fieldUpgrade, "Upgrade", []byte("Upgrade")},
	{fieldConnection, "Connection", []byte("Connection")},
	{fieldKey, "Sec-Websocket-Key", []byte("Sec-WebSocket-Key")},
	{fieldVersion, "Sec-Websocket-Version", []byte("Sec-WebSocket-Version")},
	{fieldProtocol, "Sec-Websocket-Protocol", []byte("Sec-WebSocket-Protocol")},
	{fieldExtensions, "Sec-Websocket-Extensions", []byte("Sec-WebSocket-Extensions")},
}

// takeRequest copies what the handshake asks of r to where a raw upgrade has it:
// the questions are then the same, from wherever a request came.
func (s *upgrade) takeRequest(r *http.Request) error {
	if r.ContentLength != 0 || len(r.TransferEncoding) > 0 {
		return httphead.ErrBody
	}
	s.req.Major, s.req.Minor = r.ProtoMajor, r.ProtoMinor
	s.req.Method = s.hold(r.Method)
	if r.Host != "" {
		s.fields.note(fieldHost, s.hold(r.Host))
	}
	for i := range httpFields {
		f := &httpFields[i]
		for _, value := range r.Header[f.key] {
			held := s.hold(value)
			s.req.Fields = append(s.req.Fields, httphead.Field{Name: f.name, Value: held})
			s.fields.note(f.field, held)
		}
	}
	s.fields.all = s.req.Fields
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

// answer writes the answer within the time allowed, and lifts all deadlines,
// those of the server, too.
func (u HTTPUpgrader) answer(conn net.Conn, p []byte) error {
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
