package ws

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/wskit/wskit/httphead"
)

// Offer is the content of a client's opening handshake (RFC 6455, section 4.1),
// independent of the version of HTTP. [Dialer.Offer] makes one. [AppendRequest]
// encodes it for HTTP/1.1. [CheckResponse] compares it with a response of any
// version of HTTP.
type Offer struct {
	// Major is the major version of HTTP; 0 means 1. In HTTP/2 and HTTP/3 the
	// request is an extended CONNECT (RFC 8441, RFC 9220): it has no key, and a
	// status of 2xx accepts it.
	Major int

	// Host is the value of the Host field, or of the pseudo-header :authority.
	Host string

	// Target is the path and the query, escaped.
	Target string

	// Nonce is the decoded value of Sec-WebSocket-Key. It must be random.
	// HTTP/2 and HTTP/3 do not use it.
	Nonce [16]byte

	// Protocols are the subprotocols to offer, in order of preference.
	Protocols []string

	// Extensions are the extensions to offer.
	Extensions []httphead.Option

	// Header holds the other fields of the request. Fields of the handshake
	// itself make AppendRequest fail. Without a User-Agent, the request has one
	// that names this module. An empty User-Agent is not sent.
	Header HandshakeHeader

	// User is sent in the Authorization field, unless Header has that field.
	User *url.Userinfo
}

// Offer returns the offer of d to the server of the URL, with a new nonce. It
// shares memory with d and u.
func (d Dialer) Offer(u *url.URL) (Offer, error) {
	var o Offer
	if err := o.set(&d, u); err != nil {
		return Offer{}, fmt.Errorf("ws: offer: %w", err)
	}
	return o, nil
}

func (o *Offer) set(d *Dialer, u *url.URL) error {
	if u == nil {
		return errNilURL
	}
	*o = Offer{
		Host:       cmp.Or(d.Host, hostField(u)),
		Target:     escapeTarget(u.RequestURI()),
		Protocols:  d.Protocols,
		Extensions: d.Extensions,
		Header:     d.Header,
		User:       u.User,
		Nonce:      newNonce(),
	}
	return o.check()
}

// check returns an error if no request can carry the offer.
func (o *Offer) check() error {
	if !validHost(o.Host) {
		return fmt.Errorf("host %q is not valid in a request: write a name outside ASCII in its xn-- form", o.Host)
	}
	for i, p := range o.Protocols {
		fault := ""
		switch { // the text does not contain the subprotocol, because it may be a secret
		case !httphead.IsToken(p):
			fault = "is not a token"
		case slices.Contains(o.Protocols[:i], p):
			fault = "is a duplicate"
		default:
			continue
		}
		return fmt.Errorf("subprotocol %d of %d %s", i+1, len(o.Protocols), fault)
	}
	for i := range o.Extensions {
		if e := &o.Extensions[i]; !validExtension(e) {
			return fmt.Errorf("a parameter of extension %q has a value that is not a token", e.Name)
		}
	}
	return nil
}

// http1 reports whether the handshake is an upgrade of HTTP/1.1.
func (o *Offer) http1() bool { return o.Major <= 1 }

// key returns the value of Sec-WebSocket-Key.
func (o *Offer) key() (key [keySize]byte) {
	base64.StdEncoding.Encode(key[:], o.Nonce[:])
	return key
}

// AppendRequest appends the request for o in HTTP/1.1 to dst (RFC 6455, section
// 4.1). It does not retain o. If a request cannot carry the offer, it returns
// an error and dst unchanged.
func AppendRequest(dst []byte, o *Offer) ([]byte, error) {
	if o == nil {
		return dst, errNilOffer
	}
	err := o.check()
	if err == nil && !o.http1() {
		err = fmt.Errorf("want an offer for HTTP/1.1, not HTTP/%d", o.Major)
	}
	out := dst
	if err == nil {
		out, err = o.appendTo(dst)
	}
	if err != nil {
		return dst, fmt.Errorf("ws: request: %w", err)
	}
	return out, nil
}

// appendTo is AppendRequest for a checked offer. If it returns an error, the
// result is not valid.
func (o *Offer) appendTo(dst []byte) ([]byte, error) {
	dst, err := httphead.AppendRequestLine(dst, http.MethodGet, o.Target)
	if err != nil {
		return dst, err
	}
	key := o.key()
	dst = append(append(dst, "Host: "...), o.Host...)
	dst = append(dst, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "...)
	dst = append(append(dst, key[:]...), "\r\n"...)
	for i, p := range o.Protocols {
		if i == 0 {
			dst = append(append(dst, fieldProtocol.String()...), ": "...)
		} else {
			dst = append(dst, ", "...)
		}
		dst = append(dst, p...)
	}
	if len(o.Protocols) > 0 {
		dst = append(dst, "\r\n"...)
	}
	if dst, err = appendAgreed(dst, Handshake{Extensions: o.Extensions}); err != nil {
		return dst, err
	}
	if dst, err = o.appendHeader(dst); err != nil {
		return dst, err
	}
	return append(dst, "\r\n"...), nil
}

// userAgent is the default User-Agent. Some firewalls refuse requests without
// one.
const userAgent = "wskit/" + version

// version is the release of this module, for peers to log.
const version = "0.1"

// appendHeader appends the fields of Header, and defaults for fields that it
// lacks.
func (o *Offer) appendHeader(dst []byte) ([]byte, error) {
	mark := len(dst)
	dst, err := appendExtra(dst, o.Header)
	if err != nil {
		return dst, err
	}
	var fields httphead.Fields
	if len(dst) > mark {
		fields, _ = parseFieldBlock(dst[mark:]) // checked when they were appended
	}
	if o.User != nil && fields.Count("Authorization") == 0 {
		dst = appendBasic(dst, "Authorization", o.User)
	}
	agent, ok := fields.Value("User-Agent")
	switch {
	case !ok:
		return append(dst, "User-Agent: "+userAgent+"\r\n"...), nil
	case len(agent) > 0:
		return dst, nil
	}
	fields, _ = parseFieldBlock(bytes.Clone(dst[mark:]))
	dst = dst[:mark]
	for _, f := range fields {
		if !bytes.EqualFold(f.Name, []byte("User-Agent")) {
			dst, _ = httphead.AppendField(dst, f.Name, f.Value) // valid, because it was parsed
		}
	}
	return dst, nil
}

func appendBasic(dst []byte, field string, user *url.Userinfo) []byte {
	password, _ := user.Password()
	dst = append(append(dst, field...), ": Basic "...)
	dst = base64.StdEncoding.AppendEncode(dst, []byte(user.Username()+":"+password))
	return append(dst, "\r\n"...)
}
