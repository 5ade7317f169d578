package ws

import (
	"net/url"
	"strings"
)

// SameOrigin reports whether a request may be trusted not to come from the page of
// another site (RFC 6455, section 10.2): whether it has no field Origin, as from a
// program that is no browser, or one whose scheme, host and port are those that the
// client asked for. host is the value of field Host, secure says whether it came over
// TLS, origins are the values of all Origin fields. Two of them, "null", and what is
// no origin at all are not the same.
//
// Behind a proxy that ends TLS, secure is what the client spoke to the proxy.
func SameOrigin(host string, secure bool, origins ...string) bool {
	if len(origins) == 0 {
		return true
	}
	u, ok := ParseOrigin(origins...)
	asked := url.URL{Scheme: httpScheme(secure), Host: host}
	return ok && u.Scheme == asked.Scheme && strings.EqualFold(hostPort(u), hostPort(&asked))
}

// ParseOrigin returns the scheme and the host, with the port if one is named, of
// an Origin (RFC 6454, section 6.2); origins are the values of all Origin fields. ok
// is false unless there is exactly one and it is of that form, which "null" is not.
func ParseOrigin(origins ...string) (u *url.URL, ok bool) {
	if len(origins) != 1 {
		return nil, false
	}
	u, err := url.Parse(origins[0])
	if err != nil || u.Scheme == "" || u.Host == "" || u.Opaque+u.Path+u.RawQuery+u.Fragment != "" || u.User != nil {
		return nil, false
	}
	return u, true
}
