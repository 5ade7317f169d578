package ws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/wskit/wskit/httphead"
)

// NewRequest returns the request of a handshake for sending through net/http
// instead of [Dialer.Dial] (RFC 6455, section 4.1). An http.Client then handles
// cookies and redirects, with d or another http.RoundTripper as its Transport.
// NewRequest uses the fields Protocols, Extensions, Header, Host and OnHeader
// of d. The keys of the request's Header are spelled as in RFC 6455, section
// 11.3, because some servers compare names case-sensitively. Get and Set of
// http.Header do not find these keys.
//
// The caller must call check once with the response. It makes the same checks
// as Dial, with the same errors. If the status is not 101, body holds the bytes
// of the response's body for the *[ConnectionRejectedError], if the caller has
// read any.
//
// A RoundTripper may send the request as an extended CONNECT: see
// [ExtendedConnect]. In that case, the field Request of its response must be
// the extended CONNECT.
func (d Dialer) NewRequest(ctx context.Context, urlstr string) (r *http.Request, check func(resp *http.Response, body []byte) (Handshake, error), err error) {
	if ctx == nil {
		return nil, nil, fmt.Errorf("ws: dial: %w", errNilContext)
	}
	u, err := parseURL(urlstr)
	if err != nil {
		return nil, nil, fmt.Errorf("ws: dial: %w", err)
	}
	o := new(Offer)
	var out []byte
	if err = o.set(&d, u); err == nil {
		out, err = o.appendTo(nil)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("ws: dial %s: %w", u.Host, err)
	}
	_, block, _ := bytes.Cut(out, []byte("\r\n"))
	fields, err := parseFieldBlock(bytes.TrimSuffix(block, []byte("\r\n")))
	if err != nil {
		return nil, nil, err
	}
	u.Scheme, u.User = httpScheme(isSecure(u)), nil // the user is in Authorization
	u.RawQuery = escapeTarget(u.RawQuery)
	r = (&http.Request{
		Method: http.MethodGet, URL: u, Header: make(http.Header, len(fields)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, // for a RoundTripper that serves the request itself
	}).WithContext(ctx)
	for _, f := range fields {
		switch handshake := fieldOf(f.Name); handshake {
		case fieldHost:
			r.Host = string(f.Value)
		case handshakeFields:
			r.Header.Add(string(f.Name), string(f.Value))
		default:
			r.Header[handshake.String()] = append(r.Header[handshake.String()], string(f.Value))
		}
	}
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", "") // or net/http sends its own
	}
	return r, func(resp *http.Response, body []byte) (Handshake, error) {
		if resp == nil {
			return Handshake{}, errNilResponse
		}
		if isExtendedConnect(resp.Request) {
			o.Major = max(resp.ProtoMajor, 2)
		}
		hs, err := checkHTTP(resp, o, d.OnHeader)
		if e, refused := errors.AsType[*ConnectionRejectedError](err); refused && e.received {
			e.body = append(e.body, body...)
		}
		return hs, err
	}, nil
}

// checkHTTP is [CheckResponse] for a response that net/http has read.
func checkHTTP(resp *http.Response, o *Offer, onHeader func(key, value []byte) error) (Handshake, error) {
	head := httphead.Response{
		Major: resp.ProtoMajor, Minor: resp.ProtoMinor,
		Status: resp.StatusCode, Reason: []byte(http.StatusText(resp.StatusCode)),
	}
	if resp.Proto == "" && resp.ProtoMajor == 0 { // a RoundTripper made the response without the version
		head.Major, head.Minor = 1, 1
	}
	for name, values := range resp.Header {
		for _, v := range values {
			head.Fields = append(head.Fields, httphead.Field{Name: []byte(name), Value: []byte(v)})
		}
	}
	var a answer
	hs, err := a.check(&head, o)
	if err == nil {
		err = a.fields.tell(onHeader)
	}
	if err != nil {
		return Handshake{}, err
	}
	return hs, nil
}

func httpScheme(secure bool) string {
	if secure {
		return "https"
	}
	return "http"
}

// ExtendedConnect returns an extended CONNECT for r, which must come from
// [Dialer.NewRequest], with the same context (RFC 8441, section 5). The result
// has the form that handlers of net/http receive: its method is CONNECT and its
// field ":protocol" is "websocket". ExtendedConnect does not modify r.
func ExtendedConnect(r *http.Request) (*http.Request, error) {
	if r == nil {
		return nil, errNilRequest
	}
	c := r.Clone(r.Context())
	c.Method, c.Proto, c.ProtoMajor, c.ProtoMinor = http.MethodConnect, "HTTP/2.0", 2, 0
	if c.Header == nil {
		c.Header = make(http.Header)
	}
	for name := range c.Header {
		switch fieldOf([]byte(name)) {
		case fieldHost, fieldUpgrade, fieldConnection, fieldKey:
			delete(c.Header, name)
		}
	}
	if c.URL != nil { // a redirect does not escape it
		c.URL.RawQuery = escapeTarget(c.URL.RawQuery)
	}
	c.Header[pseudoProtocol] = []string{"websocket"}
	return c, nil
}

// pseudoProtocol is the pseudo-header of an extended CONNECT (RFC 8441, section
// 4), as net/http stores it in a Header.
const pseudoProtocol = ":protocol"

func isExtendedConnect(r *http.Request) bool {
	return r != nil && r.Method == http.MethodConnect && len(r.Header[pseudoProtocol]) > 0
}
