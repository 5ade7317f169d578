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
	u, err := url.Parse(origins[0])
	if err != nil || len(origins) > 1 || u.Host == "" || u.Opaque+u.Path+u.RawQuery+u.Fragment != "" || u.User != nil {
		return false
	}
	asked := url.URL{Scheme: "http", Host: host}
	if secure {
		asked.Scheme = "https"
	}
	return u.Scheme == asked.Scheme && strings.EqualFold(hostPort(u), hostPort(&asked))
}
