package ws

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/wskit/wskit/httphead"
)

// Initial buffer sizes of a server's handshake.
const (
	DefaultServerReadBufferSize  = 4096
	DefaultServerWriteBufferSize = 512
)

// Upgrader accepts WebSocket connections on raw connections as a server (RFC
// 6455, section 4.2). The zero value is ready to use. Its methods do not modify
// it and are safe for concurrent use.
//
// Slices passed to a callback are valid until it returns. If a callback returns
// an error, the handshake is refused. If the error wraps the result of
// [RejectConnectionError] or an error of this package about a request, the
// response is the one that it describes. For any other error, including one of
// a [Dialer], the response has status 500 and does not contain the text of the
// error.
type Upgrader struct {
	// ReadBufferSize and WriteBufferSize are the initial sizes of the buffers
	// for the request and the response. 0 means the default. The buffers grow
	// as needed.
	ReadBufferSize, WriteBufferSize int

	// HeadLimits limits the request head. The zero value means 16 KiB and 128
	// fields. The status of a larger request is 414 or 431.
	HeadLimits httphead.Limits

	// Limits limits the offers of the request. The status of a larger request
	// is 431.
	Limits HandshakeLimits

	// Timeout limits the whole handshake. Upgrade sets the deadlines of the
	// connection and clears them at the end. 0 means [DefaultHandshakeTimeout]
	// if the connection has SetDeadline. If it does not, like a
	// bufio.ReadWriter, 0 means no limit. A negative value means no limit; the
	// deadlines are then not changed.
	Timeout time.Duration

	// Hosts, if not empty, are the hosts that a client may request, as a
	// protection against DNS rebinding. Requests for other hosts are refused
	// with status 421. Each entry is a name or an address with an optional
	// port, such as "app.example", "127.0.0.1:8080" or "[::1]". Letter case is
	// ignored. An entry without a port allows all ports. "*.example" matches
	// all names with one more label. A request without a port means port 443 if
	// the connection is known to use TLS. Otherwise it means 80 or 443, because
	// a proxy may have terminated TLS. If an entry cannot match any host, such
	// as "http://app.example", every handshake fails with status 500.
	Hosts []string

	// Protocol chooses a subprotocol. It is called with each offered
	// subprotocol, in the client's order, until it returns true.
	Protocol func(protocol []byte) bool

	// ProtocolCustom, if set, is called instead of Protocol with each value of
	// Sec-WebSocket-Protocol until it returns a name, which must have been
	// offered. It returns false if the value is malformed.
	ProtocolCustom func(value []byte) (protocol string, ok bool)

	// RequireProtocol, if not empty, makes a handshake without a chosen
	// subprotocol fail with [ErrHandshakeNoSubProtocol]. The response of status
	// 400 contains these names, so they should be all subprotocols that the
	// server supports.
	RequireProtocol []string

	// Negotiate is called for each offered extension, in the client's order.
	// Its result is sent in the response. An option without a name declines the
	// offer.
	Negotiate func(offer httphead.Option) (accepted httphead.Option, err error)

	// Extension is called instead of Negotiate if both Negotiate and
	// ExtensionCustom are nil. If it returns true, the offer is accepted with
	// all its parameters.
	//
	// Deprecated: Use Negotiate, which chooses the parameters.
	Extension func(offer httphead.Option) bool

	// ExtensionCustom, if set, is called instead of Negotiate with each value
	// of Sec-WebSocket-Extensions. It returns accepted with the options that it
	// accepts appended, and false if the value is malformed.
	ExtensionCustom func(value []byte, accepted []httphead.Option) ([]httphead.Option, bool)

	// Header is sent with every response of status 101. If it contains fields
	// of the handshake itself, such as Sec-WebSocket-Protocol, the handshake
	// fails.
	Header HandshakeHeader

	// These callbacks are called in this order after the request was checked:
	// OnRequest with the request target, OnHost with the requested host, and
	// OnHeader with each field that the handshake does not use. Names of fields
	// are in canonical form, such as "Origin".
	OnRequest func(uri []byte) error
	OnHost    func(host []byte) error
	OnHeader  func(key, value []byte) error

	// OnBeforeUpgrade is called last, before the response is written. It
	// returns additional fields for the response, or nil.
	OnBeforeUpgrade func() (header HandshakeHeader, err error)

	chooseProtocol func(offered []string) (protocol string, err error) // from an HTTPUpgrader
}

// DefaultUpgrader is the Upgrader of [Upgrade].
var DefaultUpgrader Upgrader

// Errors for nil arguments.
var (
	errNilConn     = errors.New("ws: handshake: nil connection")
	errNilRequest  = errors.New("ws: handshake: nil request")
	errNilWriter   = errors.New("ws: handshake: nil http.ResponseWriter")
	errNilOffer    = errors.New("ws: handshake: nil Offer")
	errNilResponse = errors.New("ws: handshake: nil response")
	errNilUpgrader = errors.New("ws: handshake: nil Upgrader")
)

// Upgrade is [Upgrader.Upgrade] of [DefaultUpgrader].
func Upgrade(conn io.ReadWriter) (Handshake, error) {
	return DefaultUpgrader.Upgrade(conn)
}

// Upgrade reads a request from conn, checks it, and answers it with one Write
// (RFC 6455, section 4.2). On an error the caller must close the connection. If
// the request was refused, Upgrade has sent the response, and the error is a
// *[ConnectionRejectedError] that describes it, or the error of a callback.
// Other errors come from conn.
//
// It does not read past the request head, so that the next Read of conn returns
// frames that the client sent right after the request. conn must be a byte
// stream. From a *bufio.ReadWriter, Upgrade reads the head through the buffer,
// and it flushes the response. From a *net.TCPConn or *net.UnixConn, it peeks
// at the received bytes before it reads the head, if the system supports that.
// From other connections it reads in small steps that cannot pass the end of a
// valid request: a browser's request takes about 25 Reads, and a long last line
// one Read for every four bytes. [Upgrader.UpgradeConn] avoids these small
// Reads. Programs that do their own I/O can use [ParseRequest],
// [Upgrader.Decide] and [AppendResponse].
//
// It allocates 16 bytes on a socket, and more only if the response has a
// subprotocol, an extension or fields of the caller.
func (u Upgrader) Upgrade(conn io.ReadWriter) (Handshake, error) {
	if noConn(conn) {
		return Handshake{}, errNilConn
	}
	s := newUpgrade(u.ReadBufferSize, u.WriteBufferSize)
	defer s.release()
	return s.serve(&u, conn, false)
}

// UpgradeConn is [Upgrader.Upgrade] with as few Reads as possible, usually one.
// It may read past the request. It costs less than Upgrade under TLS and on
// other connections that are not sockets.
//
// If the client sent frames right after its request, the first Reads of
// upgraded return them. br also holds them, and is nil if there are none. Each
// byte is returned once, by upgraded or by br. If br is not nil, upgraded has a
// method NetConn that returns conn. On an error both are nil, and the caller
// must close conn.
func (u Upgrader) UpgradeConn(conn net.Conn) (upgraded net.Conn, br *bufio.Reader, hs Handshake, err error) {
	if isNil(conn) {
		return nil, nil, Handshake{}, errNilConn
	}
	s := newUpgrade(u.ReadBufferSize, u.WriteBufferSize)
	defer s.release()
	if hs, err = s.serve(&u, conn, true); err != nil {
		return nil, nil, Handshake{}, err
	}
	if br = readBehind(conn, s.in[s.size:], DefaultServerReadBufferSize); br != nil {
		conn = unread(conn, br)
	}
	return conn, br, hs, nil
}

// serve reads the request and answers it. If ahead is set, it may read past the
// request.
func (s *upgrade) serve(u *Upgrader, conn io.ReadWriter, ahead bool) (hs Handshake, err error) {
	bounded, err := u.setDeadline(conn)
	if err != nil {
		return Handshake{}, err
	}
	if bounded != nil {
		defer bounded.SetDeadline(time.Time{})
	}
	s.req.HeadLimits = u.HeadLimits
	_, s.req.secure = conn.(interface{ ConnectionState() tls.ConnectionState })

	if ahead {
		err = s.readAhead(conn)
	} else {
		err = s.readRequest(conn)
	}
	if _, refused := errors.AsType[*ConnectionRejectedError](err); err != nil && !refused {
		return Handshake{}, &connError{"read request", err}
	}
	if err == nil {
		hs, err = u.decide(&s.req)
	}
	if err != nil {
		writeWhole(conn, AppendRefusal(s.out[:0], &s.req, err)) // err is the error to return
		return Handshake{}, err
	}
	s.out = s.req.appendResponse(s.out[:0])
	if err := writeWhole(conn, s.out); err != nil {
		return Handshake{}, &connError{"write response", err}
	}
	return hs, nil
}

// noConn reports whether conn is nil, or a bufio.ReadWriter with a nil half.
func noConn(conn io.ReadWriter) bool {
	if isNil(conn) {
		return true
	}
	rw, ok := conn.(*bufio.ReadWriter)
	return ok && (rw.Reader == nil || rw.Writer == nil)
}

// Validate returns an error if an entry of Hosts cannot match any host, which
// makes every handshake fail. Programs can call it at startup.
func (u *Upgrader) Validate() error {
	for _, allowed := range u.Hosts {
		if !validAllowed(allowed) {
			return fmt.Errorf("ws: Hosts: %q matches no host: want a name or an address, with an optional prefix %q and an optional port", allowed, "*.")
		}
	}
	return nil
}

// deadliner is a connection with deadlines.
type deadliner interface{ SetDeadline(time.Time) error }

// setDeadline starts Timeout. It returns the connection if its deadline must be
// cleared at the end.
func (u *Upgrader) setDeadline(conn io.ReadWriter) (deadliner, error) {
	timeout := handshakeTimeout(u.Timeout)
	if timeout < 0 {
		return nil, nil
	}
	c, ok := conn.(deadliner)
	if !ok {
		if u.Timeout == 0 {
			return nil, nil
		}
		return nil, errors.New("ws: Upgrader.Timeout needs a connection with SetDeadline")
	}
	err := c.SetDeadline(time.Now().Add(timeout))
	switch {
	case err == nil:
		return c, nil
	case u.Timeout == 0 && errors.Is(err, os.ErrNoDeadline):
		return nil, nil
	}
	return nil, &connError{"set deadline", err}
}

// writeWhole writes p with one Write, and flushes a buffer.
func writeWhole(w io.Writer, p []byte) error {
	err := writeFull(w, p)
	if rw, ok := w.(*bufio.ReadWriter); ok && err == nil {
		err = rw.Flush()
	}
	return err
}

// upgrade holds the memory of one server handshake, on a raw connection or
// under net/http. These differ in where the request comes from and how the
// response is sent.
type upgrade struct {
	u    Upgrader
	in   []byte  // bytes read of the request and after it
	size int     // of the request, if readAhead has read it
	req  Request // views into in
	peek peek
	out  []byte // the answer
}

var upgrades = sync.Pool{New: func() any { return new(upgrade) }}

func newUpgrade(in, out int) *upgrade {
	s := upgrades.Get().(*upgrade)
	s.in = slices.Grow(s.in[:0], max(0, cmp.Or(in, DefaultServerReadBufferSize)))
	s.out = slices.Grow(s.out[:0], max(0, cmp.Or(out, DefaultServerWriteBufferSize)))
	return s
}

// maxKept is the size up to which a buffer is kept for the next handshake.
const maxKept = 64 << 10

// release resets the handshake and keeps the memory of its buffers.
func (s *upgrade) release() {
	if cap(s.in) > maxKept || cap(s.out) > maxKept {
		return
	}
	s.req.Reset() // which limits the memory that it keeps
	s.in, s.out = s.in[:0], s.out[:0]
	s.u = Upgrader{}
	upgrades.Put(s)
}

// appendAgreed appends the fields that name the subprotocol and the extensions.
func appendAgreed(dst []byte, hs Handshake) (_ []byte, err error) {
	if hs.Protocol != "" {
		if dst, err = httphead.AppendField(dst, fieldProtocol.String(), hs.Protocol); err != nil {
			return dst, err
		}
	}
	if len(hs.Extensions) == 0 {
		return dst, nil
	}
	dst = append(append(dst, fieldExtensions.String()...), ": "...)
	if dst, err = httphead.AppendOptions(dst, hs.Extensions); err != nil {
		return dst, err
	}
	return append(dst, "\r\n"...), nil
}
