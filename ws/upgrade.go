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

// Sizes that the buffers of a server's handshake start with.
const (
	DefaultServerReadBufferSize  = 4096
	DefaultServerWriteBufferSize = 512
)

// Upgrader opens WebSocket connections on the server's side of raw connections
// (RFC 6455, section 4.2). The zero value is ready; an Upgrader is not changed
// by its use and serves any number of goroutines at once.
//
// Slices that a callback is given are valid until it returns. An error that a
// callback returns refuses the handshake: with the answer that it describes if it
// wraps an error of [RejectConnectionError] or of this package's handshakes on the
// server's side, and otherwise with a plain status 500. The refusal that a [Dialer]
// returns is such another error. Its text goes to the caller and not to the client.
type Upgrader struct {
	// ReadBufferSize and WriteBufferSize are what the buffers for the request
	// and the answer start with; 0 stands for the defaults. They grow as needed.
	ReadBufferSize, WriteBufferSize int

	// HeadLimits bounds the request head; beyond it the answer is 414 or 431.
	// The zero value stands for 16 KiB and 128 fields.
	HeadLimits httphead.Limits

	// Limits bounds what the request may ask for; beyond it the answer is 431.
	Limits HandshakeLimits

	// Timeout bounds the whole handshake. It sets the deadlines of the connection,
	// and clears them at the end. Zero stands for [DefaultHandshakeTimeout] if the
	// connection has SetDeadline, and for no bound if it has not, as a
	// bufio.ReadWriter. A negative value stands for no bound, and leaves the
	// deadlines alone.
	Timeout time.Duration

	// Hosts, if not empty, are the hosts that a client may ask for, against DNS
	// rebinding: a request for another one is refused with status 421. Each is a
	// name or an address, letter case aside, with any port if it names none:
	// "app.example", "127.0.0.1:8080", "[::1]". "*.example" stands for all names
	// with one label more. A request without a port asks for port 443 if the
	// connection is known to be TLS, and otherwise for 80 or 443, since a proxy
	// may have ended TLS. An entry that no host can match, such as
	// "http://app.example", makes every handshake fail with status 500.
	Hosts []string

	// Protocol chooses a subprotocol: it is called with those that the client
	// offers, in its order, until it returns true.
	Protocol func(protocol []byte) bool

	// ProtocolCustom, if set, is called in place of Protocol with each value of
	// Sec-WebSocket-Protocol until it returns a name, which must be among those
	// offered, and false if the value is malformed.
	ProtocolCustom func(value []byte) (protocol string, ok bool)

	// RequireProtocol, if not empty, refuses a handshake for which no subprotocol is
	// chosen with [ErrHandshakeNoSubProtocol]. The answer, of status 400, names these
	// subprotocols: they should be all that the server supports.
	RequireProtocol []string

	// Negotiate is called for each extension that the client offers, in its
	// order. What it returns goes into the answer; an option without a name
	// declines the offer.
	Negotiate func(offer httphead.Option) (accepted httphead.Option, err error)

	// Extension is called in place of Negotiate if both Negotiate and ExtensionCustom
	// are nil. An offer for which it returns true is accepted with all its parameters.
	//
	// Deprecated: Use Negotiate, which chooses the parameters.
	Extension func(offer httphead.Option) bool

	// ExtensionCustom, if set, is called in place of Negotiate with each value
	// of Sec-WebSocket-Extensions. It returns accepted with the options that
	// it accepts appended, and false if the value is malformed.
	ExtensionCustom func(value []byte, accepted []httphead.Option) ([]httphead.Option, bool)

	// Header is sent with every answer of status 101. Fields of the handshake
	// itself, such as Sec-WebSocket-Protocol, make it fail.
	Header HandshakeHeader

	// OnRequest is called with the request target, OnHost with the host that was
	// asked for, and OnHeader with each field that the handshake itself does not
	// use, in this order, once the request has been found to be in order. Names
	// of fields come in the form of net/http, "Origin", however they were sent.
	OnRequest func(uri []byte) error
	OnHost    func(host []byte) error
	OnHeader  func(key, value []byte) error

	// OnBeforeUpgrade is called last, before the answer is written, and
	// returns fields to send with it, or nil.
	OnBeforeUpgrade func() (header HandshakeHeader, err error)

	chooseProtocol func(offered []string) (protocol string, err error) // of an HTTPUpgrader
}

// DefaultUpgrader is what [Upgrade] uses.
var DefaultUpgrader Upgrader

// What the handshakes return for arguments that are nil.
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
// (RFC 6455, section 4.2). On an error the connection is of no further use, and
// the caller closes it: a request that was refused has then been answered, and
// the error is the *[ConnectionRejectedError] that describes the answer, or what
// a callback returned; any other error is that of conn.
//
// It never reads past the request's head: frames that the client sent right
// behind it are there for the next Read of conn, which has to be a stream. On a
// *bufio.ReadWriter it takes the head from the buffer, and flushes the answer. On
// a *net.TCPConn or *net.UnixConn it looks at what has arrived before it takes the
// head, where the system can. From anything else it reads in steps so small that
// they cannot pass the end of a request that is in order: a browser's takes some
// 25 Reads, and a long last line one for every four bytes of it.
// [Upgrader.UpgradeConn] saves them. [ParseRequest], [Upgrader.Decide] and
// [AppendResponse] do the same over bytes, for a program that reads and writes by
// itself.
//
// It allocates nothing, but for 16 bytes on a socket, unless a subprotocol, an
// extension or a field of the caller's goes into the answer.
func (u Upgrader) Upgrade(conn io.ReadWriter) (Handshake, error) {
	if noConn(conn) {
		return Handshake{}, errNilConn
	}
	s := newUpgrade(u.ReadBufferSize, u.WriteBufferSize)
	defer s.release()
	return s.serve(&u, conn, false)
}

// UpgradeConn is [Upgrader.Upgrade] for a connection that is read in as few Reads
// as the request arrives in, most often one: under TLS, and around any other
// net.Conn, that costs less. It may read more than the request.
//
// Frames that the client sent right after its request cannot be lost: the first
// Reads of the connection that it returns yield them. br holds them too, and is
// nil if there are none; each byte is read once, whether from upgraded or from br.
// Where br is not nil, upgraded has a method NetConn that returns conn. On an error
// it returns neither, and the caller closes conn.
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

// serve reads the request, with what has arrived after it if ahead is set, and
// answers it.
func (s *upgrade) serve(u *Upgrader, conn io.ReadWriter, ahead bool) (hs Handshake, err error) {
	bounded, err := u.setDeadline(conn)
	if err != nil {
		return Handshake{}, err
	}
	if bounded != nil {
		defer bounded.SetDeadline(time.Time{})
	}
	s.u, s.req.HeadLimits = *u, u.HeadLimits
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
		hs, err = s.u.decide(&s.req)
	}
	if err != nil {
		writeWhole(conn, AppendRefusal(s.out[:0], &s.req, err)) // err is the one to tell
		return Handshake{}, err
	}
	s.out = s.req.appendResponse(s.out[:0])
	if err := writeWhole(conn, s.out); err != nil {
		return Handshake{}, &connError{"write response", err}
	}
	return hs, nil
}

// noConn reports whether conn is nil, or a pair of which one half is.
func noConn(conn io.ReadWriter) bool {
	if isNil(conn) {
		return true
	}
	rw, ok := conn.(*bufio.ReadWriter)
	return ok && (rw.Reader == nil || rw.Writer == nil)
}

// Validate returns an error if an entry of Hosts can match no host, which makes every
// handshake fail. A program may call it when it starts.
func (u *Upgrader) Validate() error {
	for _, allowed := range u.Hosts {
		if !validAllowed(allowed) {
			return fmt.Errorf("ws: Hosts: %q can match no host: write a name or an address, perhaps behind %q, and perhaps a port", allowed, "*.")
		}
	}
	return nil
}

// deadliner is a connection with deadlines.
type deadliner interface{ SetDeadline(time.Time) error }

// setDeadline begins Timeout. It returns the connection if its deadline has to be
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

// writeWhole writes p with one Write, which must not stay in a buffer.
func writeWhole(w io.Writer, p []byte) error {
	err := writeFull(w, p)
	if rw, ok := w.(*bufio.ReadWriter); ok && err == nil {
		err = rw.Flush()
	}
	return err
}

// upgrade is the memory of one handshake on the server's side. Raw upgrades and those
// under net/http differ in where the request comes from and how the answer leaves.
type upgrade struct {
	u    Upgrader
	in   []byte  // what was read of the request, and after it
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

// keepMost is the size up to which a buffer is worth keeping for the next
// handshake.
const keepMost = 64 << 10

// release forgets all of this handshake but the memory of its buffers.
func (s *upgrade) release() {
	if cap(s.in) > keepMost || cap(s.out) > keepMost {
		return
	}
	s.req.Reset() // which bounds what it keeps itself
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
