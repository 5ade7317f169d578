package ws

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"github.com/wskit/wskit/httphead"
)

// NewRequest returns the request of a handshake for who sends it through net/http
// (RFC 6455, section 4.1): an http.Client and what it knows of proxies, cookies and
// redirects then takes the place of [Dialer.Dial]. It uses Protocols, Extensions,
// Header, Host and OnHeader of d.
//
// check is to be called with the answer, once. It asks what Dial asks, and returns
// the errors that Dial returns for an answer. body is what is known of the body of an
// answer of another status than 101, for the *[ConnectionRejectedError].
func (d Dialer) NewRequest(ctx context.Context, urlstr string) (r *http.Request, check func(resp *http.Response, body []byte) (Handshake, error), err error) {
	u, err := parseURL(urlstr)
	if err != nil {
		return nil, nil, fmt.Errorf("ws: dial: %w", err)
	}
	s := &clientHandshake{d: d}
	if err = s.buildRequest(u); err != nil {
		return nil, nil, fmt.Errorf("ws: dial %s: %w", u.Host, err)
	}
	_, block, _ := bytes.Cut(s.out, []byte("\r\n"))
	fields, err := parseFieldBlock(bytes.TrimSuffix(block, []byte("\r\n")))
	if err != nil {
		return nil, nil, err
	}
	u.Scheme, u.User = httpScheme(isSecure(u)), nil // the user stands in Authorization
	r = (&http.Request{
		Method: http.MethodGet, URL: u, Header: make(http.Header, len(fields)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, // for a RoundTripper that serves it itself
	}).WithContext(ctx)
	for _, f := range fields {
		if fieldOf(f.Name) == fieldHost {
			r.Host = string(f.Value)
		} else {
			r.Header.Add(string(f.Name), string(f.Value))
		}
	}
	return r, s.checkHTTP, nil
}

// checkHTTP is readAnswer for an answer that net/http has read.
func (s *clientHandshake) checkHTTP(resp *http.Response, body []byte) (Handshake, error) {
	s.resp.Status, s.resp.Reason = resp.StatusCode, []byte(http.StatusText(resp.StatusCode))
	s.resp.Major, s.resp.Minor = resp.ProtoMajor, resp.ProtoMinor
	if resp.Proto == "" && resp.ProtoMajor == 0 { // a RoundTripper made the answer up, and left out what no peer can
		s.resp.Major, s.resp.Minor = 1, 1
	}
	s.resp.Fields = nil
	for name, values := range resp.Header {
		for _, v := range values {
			s.resp.Fields = append(s.resp.Fields, httphead.Field{Name: []byte(name), Value: []byte(v)})
		}
	}
	if s.resp.Status != http.StatusSwitchingProtocols {
		e := rejectedBy(&s.resp)
		e.body = append(e.body, body...)
		e.causes = append(e.causes, ErrHandshakeBadStatus)
		return Handshake{}, e
	}
	if err := s.checkAnswer(); err != nil {
		return Handshake{}, err
	}
	return s.result, nil
}

func httpScheme(secure bool) string {
	if secure {
		return "https"
	}
	return "http"
}
