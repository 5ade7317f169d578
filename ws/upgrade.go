package ws

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
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
// callback returns refuses the handshake: with the answer that it describes if
// it is a *[ConnectionRejectedError], and otherwise with status 500 and its text.
type Upgrader struct {
	// ReadBufferSize and WriteBufferSize are what the buffers for the request
	// and the answer start with; 0 stands for the defaults. They grow as needed.
	ReadBufferSize, WriteBufferSize int

	// HeadLimits bounds the request head; beyond it the answer is 414 or 431.
	// The zero value stands for 16 KiB and 128 fields.
	HeadLimits httphead.Limits

	// Timeout bounds the whole handshake. It needs a connection with
	// SetDeadline, whose deadlines it sets, and clears at the end. 0 stands for
	// no bound, since the connection is the caller's.
	Timeout time.Duration

	// Protocol chooses a subprotocol: it is called with those that the client
	// offers, in its order, until it returns true.
	Protocol func(protocol []byte) bool

	// ProtocolCustom, if set, is called in place of Protocol with each value of
	// Sec-WebSocket-Protocol until it returns a name, which must be among those
	// offered, and false if the value is malformed.
	ProtocolCustom func(value []byte) (protocol string, ok bool)

	// Negotiate is called for each extension that the client offers, in its
	// order. What it returns goes into the answer; an option without a name
	// declines the offer.
	Negotiate func(offer httphead.Option) (accepted httphead.Option, err error)

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
// 25 Reads, and a long last line one for every four bytes of it. A
// bufio.ReadWriter around such a connection saves them, for who goes on with its
// Reader.
//
// It allocates nothing, but for 16 bytes on a socket, unless a subprotocol, an
// extension or a field of the caller's goes into the answer.
func (u Upgrader) Upgrade(conn io.ReadWriter) (Handshake, error) {
	if u.Timeout > 0 {
		c, ok := conn.(interface{ SetDeadline(time.Time) error })
		if !ok {
			return Handshake{}, errors.New("ws: Upgrader.Timeout needs a connection with SetDeadline")
		}
		if err := c.SetDeadline(time.Now().Add(u.Timeout)); err != nil {
			return Handshake{}, fmt.Errorf("ws: upgrade: %w", err)
		}
		defer c.SetDeadline(time.Time{})
	}
	s := newUpgrade(u)
	defer s.release()
	s.req.Limits = u.HeadLimits

	err := s.readRequest(conn)
	if _, malformed := errors.AsType[*httphead.Error](err); err != nil && !malformed {
		return Handshake{}, fmt.Errorf("ws: upgrade: read request: %w", err)
	}
	if err == nil {
		s.fields = sortFields(s.req.Fields)
		if host, ok := absoluteHost(s.req.Target); ok {
			s.fields.first[fieldHost] = host
		}
		err = s.negotiate()
	}
	if err != nil {
		refusal := rejection(err)
		withBody := string(s.req.Method) != http.MethodHead
		writeWhole(conn, refusal.appendTo(s.out[:0], withBody)) // err is the one to tell
		return Handshake{}, answered(err, refusal)
	}
	if err := writeWhole(conn, s.out); err != nil {
		return Handshake{}, fmt.Errorf("ws: upgrade: write response: %w", err)
	}
	return s.result, nil
}

// writeWhole writes p with one Write, which must not stay in a buffer.
func writeWhole(w io.Writer, p []byte) error {
	err := writeFull(w, p)
	if rw, ok := w.(*bufio.ReadWriter); ok && err == nil {
		err = rw.Flush()
	}
	return err
}

// answered returns the error to tell of a request that was refused because of
// err: err itself, but for a malformed head the refusal that knows its kind.
func answered(err error, refusal *ConnectionRejectedError) error {
	if _, malformed := errors.AsType[*httphead.Error](err); malformed {
		return refusal
	}
	return err
}

// upgrade is one handshake on the server's side. Raw upgrades and those under
// net/http differ in where the head comes from and how the answer leaves.
type upgrade struct {
	u      Upgrader
	in     []byte           // what was read of the request
	req    httphead.Request // views into in
	fields headFields       // those of req
	peek   peek
	offer  httphead.Option // the extension that is looked at
	out    []byte          // the answer
	result Handshake
}

var upgrades = sync.Pool{New: func() any { return new(upgrade) }}

func newUpgrade(u Upgrader) *upgrade {
	s := upgrades.Get().(*upgrade)
	s.u = u
	s.in = slices.Grow(s.in[:0], max(0, cmp.Or(u.ReadBufferSize, DefaultServerReadBufferSize)))
	s.out = slices.Grow(s.out[:0], max(0, cmp.Or(u.WriteBufferSize, DefaultServerWriteBufferSize)))
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
	s.offer = httphead.Option{}
	s.u, s.fields, s.result = Upgrader{}, headFields{}, Handshake{} // a whole upgrade would lie on the stack
	upgrades.Put(s)
}

// negotiate goes from a request in s.req and s.fields to the answer in s.out.
func (s *upgrade) negotiate() error {
	for _, check := range requestChecks { // RFC 6455, section 4.2.1
		if err := check(&s.req, &s.fields); err != nil {
			return err
		}
	}
	for _, stage := range [...]func(*upgrade) error{
		(*upgrade).tellCaller,
		(*upgrade).pickProtocol,   // section 4.2.2, item 4
		(*upgrade).pickExtensions, // sections 4.2.2, item 4 and 9.1
		(*upgrade).buildAnswer,    // section 4.2.2, item 5
	} {
		if err := stage(s); err != nil {
			return err
		}
	}
	return nil
}

// tellCaller shows the request to the callbacks that may refuse it.
func (s *upgrade) tellCaller() error {
	if s.u.OnRequest != nil {
		if err := s.u.OnRequest(s.req.Target); err != nil {
			return err
		}
	}
	if s.u.OnHost != nil {
		if err := s.u.OnHost(s.fields.first[fieldHost]); err != nil {
			return err
		}
	}
	return s.fields.tell(s.u.OnHeader)
}

func (s *upgrade) pickProtocol() error {
	switch {
	case s.fields.count[fieldProtocol] == 0:
		return nil
	case s.u.ProtocolCustom != nil:
		return s.pickProtocolCustom()
	case s.u.chooseProtocol != nil:
		return s.pickProtocolOfAll()
	}
	for offer, err := range s.req.Fields.Tokens(fieldProtocol.String()) {
		if err != nil {
			return ErrHandshakeBadSubProtocol
		}
		if s.result.Protocol == "" && s.u.Protocol != nil && s.u.Protocol(offer) {
			s.result.Protocol = string(offer)
		}
	}
	return nil
}

func (s *upgrade) pickProtocolCustom() error {
	for value := range s.req.Fields.Values(fieldProtocol.String()) {
		protocol, ok := s.u.ProtocolCustom(value)
		if !ok {
			return ErrHandshakeBadSubProtocol
		}
		if protocol == "" {
			continue
		}
		for offer, err := range s.req.Fields.Tokens(fieldProtocol.String()) {
			if err != nil {
				return ErrHandshakeBadSubProtocol
			}
			if string(offer) == protocol {
				s.result.Protocol = strings.Clone(protocol)
			}
		}
		if s.result.Protocol != "" {
			return nil
		}
		return fmt.Errorf("ws: Upgrader.ProtocolCustom chose %q, which the client does not offer", protocol)
	}
	return nil
}

func (s *upgrade) pickProtocolOfAll() error {
	var offered []string
	for offer, err := range s.req.Fields.Tokens(fieldProtocol.String()) {
		if err != nil {
			return ErrHandshakeBadSubProtocol
		}
		offered = append(offered, string(offer))
	}
	protocol, err := s.u.chooseProtocol(offered)
	if err == nil && protocol != "" && !slices.Contains(offered, protocol) {
		err = fmt.Errorf("ws: HTTPUpgrader.ChooseProtocol chose %q, which the client does not offer", protocol)
	}
	s.result.Protocol = protocol
	return err
}

func (s *upgrade) pickExtensions() error {
	switch {
	case s.fields.count[fieldExtensions] == 0:
		return nil
	case s.u.ExtensionCustom != nil:
		return s.pickExtensionsCustom()
	}
	for err := range s.req.Fields.ScanOptions(fieldExtensions.String(), &s.offer, httphead.OptionLimits{TokenValues: true}) {
		if err != nil {
			return ErrHandshakeBadExtensions
		}
		if s.u.Negotiate == nil {
			continue
		}
		if err := s.takeOffer(); err != nil {
			return err
		}
	}
	return nil
}

// takeOffer is apart for the sake of the stack: an Option is a large value.
func (s *upgrade) takeOffer() error {
	accepted, err := s.u.Negotiate(s.offer)
	if err == nil && len(accepted.Name) > 0 {
		s.result.Extensions = append(s.result.Extensions, accepted.Clone())
	}
	return err
}

func (s *upgrade) pickExtensionsCustom() error {
	var accepted []httphead.Option
	for value := range s.req.Fields.Values(fieldExtensions.String()) {
		var ok bool
		if accepted, ok = s.u.ExtensionCustom(value, accepted); !ok {
			return ErrHandshakeBadExtensions
		}
	}
	for _, option := range accepted {
		s.result.Extensions = append(s.result.Extensions, option.Clone())
	}
	return nil
}

func (s *upgrade) buildAnswer() error {
	var more HandshakeHeader
	if s.u.OnBeforeUpgrade != nil {
		var err error
		if more, err = s.u.OnBeforeUpgrade(); err != nil {
			return err
		}
	}
	out := append(s.out[:0], "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	out = append(appendAccept(out, s.fields.first[fieldKey]), "\r\n"...)
	out, err := appendAgreed(out, s.result)
	if err != nil {
		return err
	}
	for _, h := range [...]HandshakeHeader{s.u.Header, more} {
		if out, err = appendExtra(out, h); err != nil {
			return err
		}
	}
	s.out = append(out, "\r\n"...)
	return nil
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
