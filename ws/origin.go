package ws

import (
	"net/url"
	"strings"
)

// SameOrigin reports whether a request may be trusted not to come from the page of
// another site (RFC 6455, section 10.2): whether it has no field Origin, as from a
// program that is no browser, or one whose scheme, host and port are those that the
// client asked for. host is the value of field Host, secure says whether it came over
// TLS, origins are the values of all Origin fields, read as by [ParseOrigin]. Two of
// them, "null", and what is no origin at all are not the same.
//
// Behind a proxy that ends TLS, secure is what the client spoke to the proxy.
func SameOrigin(host string, secure bool, origins ...string) bool {
	if len(origins) == 0 {
		return true
	}
	u, ok := ParseOrigin(origins...)
	asked := url.URL{Scheme: httpScheme(secure), Host: host}
	return ok && u.Scheme == asked.Scheme && strings.EqualFold(u.Hostname(), asked.Hostname()) && port(u) == port(&asked)
}

// ParseOrigin returns the scheme and the host, with the port if one is named, of
// an Origin (RFC 6454, section 6.2); origins are the values of all Origin fields. ok
// is false unless there is exactly one and it is of that form, which "null" is not.
//
// It allows what programs send that are no browsers. A path after the host, which
// RFC 6454 does not have, is left out. Scheme ws is returned as http, and wss as
// https. No page can have such an origin.
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
