package ws

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/wskit/wskit/httphead"
)

// Agreement is the result of a server accepting a [Request]. The caller owns
// its Handshake. The rest is valid until the next use of the Request in
// ParseRequest, Decide or Reset.
type Agreement struct {
	Handshake
	Status int // of the response: 101, or 200 to an extended CONNECT (RFC 8441, section 5)

	r *Request // holds the fields of the response
}

// Decide decides whether to accept r, and with which subprotocol and extensions
// (RFC 6455, section 4.2). It uses all fields of u except the buffer sizes,
// HeadLimits and Timeout, and calls the callbacks of u as [Upgrader.Upgrade]
// does. It does no I/O.
//
// The error is a *[ConnectionRejectedError] or the error of a callback.
// [AppendRefusal] encodes a response for either. Decide uses memory of r, so it
// must not be called concurrently for one Request. If u has OnHeader, Decide
// changes the names of r.Fields to canonical form in place.
func (u *Upgrader) Decide(r *Request) (Agreement, error) {
	switch {
	case u == nil:
		return Agreement{}, errNilUpgrader
	case r == nil:
		return Agreement{}, errNilRequest
	}
	hs, err := u.decide(r)
	if err != nil {
		return Agreement{}, err
	}
	return Agreement{hs, r.status(), r}, nil
}

// status returns the status of a response that accepts r.
func (r *Request) status() int {
	if r.Major > 1 {
		return http.StatusOK
	}
	return http.StatusSwitchingProtocols
}

// decide is Decide without the Agreement. Its stack frames are small, because
// the goroutine of a handler keeps the stack that its handshake needed.
func (u *Upgrader) decide(r *Request) (hs Handshake, err error) {
	r.fields.sort(r.Fields)
	return u.decideSorted(r)
}

// decideSorted is decide for a request whose fields are sorted.
func (u *Upgrader) decideSorted(r *Request) (hs Handshake, err error) {
	if err = u.check(r); err != nil {
		return hs, err
	}
	if err = u.tell(r); err != nil {
		return hs, err
	}
	if hs.Protocol, err = u.pickProtocol(r); err != nil { // section 4.2.2, item 4
		return hs, err
	}
	if hs.Protocol == "" && len(u.RequireProtocol) > 0 {
		return hs, u.noProtocol()
	}
	if hs.Extensions, err = u.pickExtensions(r); err != nil { // sections 4.2.2, item 4 and 9.1
		return hs, err
	}
	if r.Major == 1 {
		key, _ := r.fields.once(fieldKey)
		appendAccept(r.accept[:0], key) // section 4.2.2, item 5
	}
	r.lines, err = u.appendLines(r.lines[:0], hs)
	return hs, err
}

// tell calls the callbacks that may refuse the request.
func (u *Upgrader) tell(r *Request) error {
	if u.OnRequest != nil {
		if err := u.OnRequest(r.Target); err != nil {
			return err
		}
	}
	if u.OnHost != nil {
		if err := u.OnHost(r.Host); err != nil {
			return err
		}
	}
	return r.fields.tell(u.OnHeader)
}

// pickProtocol returns the subprotocol that u chooses, or "". It validates the
// whole list, even if u supports no subprotocol.
func (u *Upgrader) pickProtocol(r *Request) (chosen string, err error) {
	switch {
	case r.fields.count[fieldProtocol] == 0:
		return "", nil
	case u.chooseProtocol != nil:
		return u.chooseOfAll(r)
	case u.ProtocolCustom != nil:
		return u.customProtocol(r)
	}
	room := u.Limits.protocols()
	for offer, err := range r.fields.of(fieldProtocol).Tokens(fieldProtocol.String()) {
		if room--; err != nil || room < 0 {
			return "", protocolFault(err)
		}
		if chosen == "" && u.Protocol != nil && u.Protocol(offer) {
			chosen = string(offer)
		}
	}
	return chosen, nil
}

// noProtocol refuses a handshake without a subprotocol. The text does not
// contain the offer, which may hold credentials.
//
//go:noinline
func (u *Upgrader) noProtocol() error {
	return &ConnectionRejectedError{
		status: http.StatusBadRequest,
		reason: fmt.Sprintf("ws: handshake needs a subprotocol of the server: %q", u.RequireProtocol),
		causes: []error{ErrHandshakeNoSubProtocol},
	}
}

// offeredProtocols returns all offered subprotocols.
func (u *Upgrader) offeredProtocols(r *Request) (offered []string, err error) {
	room := u.Limits.protocols()
	for offer, err := range r.fields.of(fieldProtocol).Tokens(fieldProtocol.String()) {
		if room--; err != nil || room < 0 {
			return nil, protocolFault(err)
		}
		offered = append(offered, string(offer))
	}
	return offered, nil
}

// protocolFault returns the refusal of a malformed list of subprotocols, or of
// too many subprotocols if err is nil.
func protocolFault(err error) error {
	if err != nil {
		return ErrHandshakeBadSubProtocol
	}
	return tooLarge("number of subprotocols", "MaxProtocols")
}

func (u *Upgrader) chooseOfAll(r *Request) (string, error) {
	offered, err := u.offeredProtocols(r)
	if err != nil {
		return "", err
	}
	chosen, err := u.chooseProtocol(offered)
	return ofThoseOffered(chosen, offered, err)
}

// customProtocol calls ProtocolCustom.
func (u *Upgrader) customProtocol(r *Request) (string, error) {
	for value := range r.fields.of(fieldProtocol).Values(fieldProtocol.String()) {
		chosen, ok := u.ProtocolCustom(value)
		if !ok {
			return "", ErrHandshakeBadSubProtocol
		}
		if chosen != "" {
			offered, err := u.offeredProtocols(r)
			return ofThoseOffered(chosen, offered, err)
		}
	}
	return "", nil
}

// ofThoseOffered returns the choice of a callback, or an error if it was not
// offered.
func ofThoseOffered(chosen string, offered []string, err error) (string, error) {
	if err != nil || chosen == "" {
		return "", err
	}
	i := slices.Index(offered, chosen)
	if i < 0 {
		return "", fmt.Errorf("ws: chosen subprotocol %q was not offered by the client", chosen)
	}
	return offered[i], nil // a copy, not memory of the callback
}

// browserExtensions is the offer of browsers. It is within all limits.
const browserExtensions = "permessage-deflate; client_max_window_bits"

// pickExtensions returns the extensions that u accepts. It validates the whole
// list, even if u supports no extension.
func (u *Upgrader) pickExtensions(r *Request) (accepted []httphead.Option, err error) {
	switch {
	case r.fields.count[fieldExtensions] == 0:
		return nil, nil
	case u.ExtensionCustom != nil:
		return u.customExtensions(r)
	}
	option, negotiate := &r.option, u.negotiate()
	if negotiate == nil {
		if value, ok := r.fields.once(fieldExtensions); ok && string(value) == browserExtensions {
			return nil, nil // the most common form
		}
		option = nil // only validate the list
	}
	for err := range r.fields.of(fieldExtensions).ScanOptions(fieldExtensions.String(), option, u.Limits.extensions()) {
		if err != nil {
			return nil, extensionsFault(err)
		}
		if option == nil {
			continue
		}
		if accepted, err = appendAccepted(accepted, option, negotiate); err != nil {
			return nil, err
		}
	}
	return accepted, nil
}

// appendAccepted negotiates one offer and appends the accepted option to dst.
// It is a separate function to keep the stack small, because an Option is a
// large value.
func appendAccepted(dst []httphead.Option, offer *httphead.Option, negotiate func(httphead.Option) (httphead.Option, error)) ([]httphead.Option, error) {
	accepted, err := negotiate(*offer)
	if err == nil && len(accepted.Name) > 0 {
		dst = append(dst, accepted.Clone())
	}
	return dst, err
}

// customExtensions calls ExtensionCustom.
func (u *Upgrader) customExtensions(r *Request) (accepted []httphead.Option, err error) {
	for value := range r.fields.of(fieldExtensions).Values(fieldExtensions.String()) {
		var ok bool
		if accepted, ok = u.ExtensionCustom(value, accepted); !ok {
			return nil, ErrHandshakeBadExtensions
		}
	}
	for i := range accepted {
		accepted[i] = accepted[i].Clone()
	}
	return accepted, nil
}

// appendLines appends the fields of the response that depend on the agreement
// and on the caller.
func (u *Upgrader) appendLines(dst []byte, hs Handshake) ([]byte, error) {
	dst, err := appendAgreed(dst, hs)
	if err != nil {
		return nil, err
	}
	if dst, err = appendExtra(dst, u.Header); err != nil || u.OnBeforeUpgrade == nil {
		return dst, err
	}
	more, err := u.OnBeforeUpgrade()
	if err != nil {
		return nil, err
	}
	return appendExtra(dst, more)
}

// AppendResponse appends the HTTP/1.1 response for a to dst (RFC 6455, section
// 4.2.2, item 5). a must come from [Upgrader.Decide]. For other values, and for
// an extended CONNECT, it returns dst unchanged.
func AppendResponse(dst []byte, a Agreement) []byte {
	if a.r == nil || a.r.Major > 1 {
		return dst
	}
	return a.r.appendResponse(dst)
}

// appendResponse appends the response to r, which decide has accepted.
func (r *Request) appendResponse(dst []byte) []byte {
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	dst = append(append(dst, r.accept[:]...), "\r\n"...)
	return append(append(dst, r.lines...), "\r\n"...)
}

// AppendRefusal appends to dst the HTTP/1.1 response to a request that
// [ParseRequest] or [Upgrader.Decide] refused with err. If err wraps a
// *[ConnectionRejectedError] that was not received by a client, the response is
// the one that it describes. Otherwise it is status 500 without the text of
// err. The response to a HEAD request has no body. r may be nil. The caller
// must close the connection after sending the response.
func AppendRefusal(dst []byte, r *Request, err error) []byte {
	return rejection(err).appendTo(dst, r == nil || string(r.Method) != http.MethodHead)
}

// setHeader is appendResponse for net/http. It replaces fields of h. Names are
// spelled as in RFC 6455, section 11.3, because some peers compare names
// case-sensitively. net/http sends them unchanged.
func (r *Request) setHeader(h http.Header) error {
	fields, err := parseFieldBlock(r.lines)
	if err != nil {
		return err
	}
	for name := range h {
		if useOf([]byte(name))&notInAnswer != 0 || fields.Count(name) > 0 {
			delete(h, name)
		}
	}
	if r.Major == 1 {
		h[fieldUpgrade.String()] = []string{"websocket"}
		h[fieldConnection.String()] = []string{"Upgrade"}
		h[fieldAccept.String()] = []string{string(r.accept[:])}
	}
	for _, f := range fields {
		h[string(f.Name)] = append(h[string(f.Name)], string(f.Value))
	}
	return nil
}
