package ws

import (
	"net/url"
	"strings"
)

// SameOrigin reports whether a request comes from a page of the same site or
// from a program that is not a browser (RFC 6455, section 10.2). It returns
// true if there is no Origin field, or if the scheme, host and port of the
// origin are those of the request. host is the value of the Host field, secure
// says whether the request came over TLS, and origins are the values of all
// Origin fields, parsed as by [ParseOrigin]. It returns false for two Origin
// fields, for "null", and for invalid origins.
//
// Behind a proxy that terminates TLS, secure must say whether the client used
// TLS to the proxy.
func SameOrigin(host string, secure bool, origins ...string) bool {
	if len(origins) == 0 {
		return true
	}
	u, ok := ParseOrigin(origins...)
	asked := url.URL{Scheme: httpScheme(secure), Host: host}
	return ok && u.Scheme == asked.Scheme && strings.EqualFold(u.Hostname(), asked.Hostname()) && port(u) == port(&asked)
}

// ParseOrigin returns the scheme and the host of an Origin, with the port if it
// has one (RFC 6454, section 6.2). origins are the values of all Origin fields.
// ok is true if there is exactly one and it is valid. "null" is not valid.
//
// It accepts some origins that no page has, but that programs other than
// browsers send. It ignores a path after the host, which RFC 6454 does not
// allow, and it returns scheme ws as http and wss as https.
func ParseOrigin(origins ...string) (u *url.URL, ok bool) {
	if len(origins) != 1 {
		return nil, false
	}
	scheme, host, ok := strings.Cut(origins[0], "://")
	host, _, _ = strings.Cut(host, "/")
	if !ok || !isScheme(scheme) || !validHost(host) || strings.Contains(host, "%") {
		return nil, false
	}
	scheme = strings.ToLower(scheme)
	switch scheme {
	case "ws":
		scheme = "http"
	case "wss":
		scheme = "https"
	}
	return &url.URL{Scheme: scheme, Host: host}, true
}

// isScheme reports whether s is a scheme (RFC 3986, section 3.1).
func isScheme(s string) bool {
	for i, c := range []byte(s) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || !isDigit(c) && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
