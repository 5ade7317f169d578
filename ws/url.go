package ws

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// parseURL parses the URL of a WebSocket server (RFC 6455, section 3).
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if fault, ok := errors.AsType[*url.Error](err); ok {
		return nil, fault.Err // without the URL, which may hold a password
	}
	if err != nil {
		return nil, err
	}
	if err := checkURL(u); err != nil {
		return nil, err
	}
	if u.Fragment != "" || strings.HasSuffix(s, "#") {
		return nil, errors.New("URL has a fragment")
	}
	return u, nil
}

// checkURL returns an error if u does not name a server to connect to.
func checkURL(u *url.URL) error {
	if u == nil {
		return errNilURL
	}
	switch u.Scheme {
	case "ws", "wss", "http", "https":
	default:
		return fmt.Errorf("URL scheme %q is neither ws nor wss", u.Scheme)
	}
	switch {
	case u.Opaque != "" || u.Hostname() == "":
		return errors.New("URL names no host")
	case !validHost(hostField(u)):
		return fmt.Errorf("host %q is not valid in a request: write a name outside ASCII in its xn-- form", u.Hostname())
	}
	return nil
}

var errNilURL = errors.New("nil URL")

// escapeTarget escapes bytes that are not valid in a request line. net/url does
// not escape a raw query.
func escapeTarget(s string) string {
	plain := func(c byte) bool { return '!' <= c && c <= '~' }
	i := 0
	for i < len(s) && plain(s[i]) {
		i++
	}
	if i == len(s) {
		return s
	}
	const hex = "0123456789ABCDEF"
	b := []byte(s[:i])
	for ; i < len(s); i++ {
		if c := s[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

// isSecure reports whether u is reached over TLS.
func isSecure(u *url.URL) bool { return u.Scheme == "wss" || u.Scheme == "https" }

func defaultPort(u *url.URL) string {
	switch {
	case isSecure(u):
		return "443"
	case isSOCKS(u):
		return "1080"
	}
	return "80"
}

// isSOCKS reports whether u is a SOCKS proxy (RFC 1928).
func isSOCKS(u *url.URL) bool { return u.Scheme == "socks5" || u.Scheme == "socks5h" }

// hostPort returns the address to connect to.
func hostPort(u *url.URL) string { return withPort(u.Hostname(), u) }

// connectAddress is hostPort in the form for a proxy.
func connectAddress(u *url.URL) string { return withPort(withoutZone(u.Hostname()), u) }

// withPort joins the host with the port of u.
func withPort(hostname string, u *url.URL) string {
	return net.JoinHostPort(hostname, port(u))
}

// port returns the port of u, or the default of its scheme.
func port(u *url.URL) string { return cmp.Or(u.Port(), defaultPort(u)) }

// withoutZone removes the zone of an IPv6 address, which has a meaning only on
// this machine (RFC 6874, section 4).
func withoutZone(hostname string) string {
	if strings.Contains(hostname, ":") {
		hostname, _, _ = strings.Cut(hostname, "%")
	}
	return hostname
}

// serverName returns the expected name of the server's certificate.
func serverName(u *url.URL) string {
	return strings.TrimSuffix(withoutZone(u.Hostname()), ".")
}

// hostField returns the value of the Host field. It omits a default port (RFC
// 6455, section 4.1).
func hostField(u *url.URL) string {
	host := withoutZone(u.Hostname())
	if port := u.Port(); port != "" && port != defaultPort(u) {
		return net.JoinHostPort(host, port)
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}
