package connect

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/wskit/wskit/ws"
)

// proxyFault explains a fault of the proxy, or of the connection to it. It
// returns "" if the proxy has connected to the server.
func proxyFault(u, proxy *url.URL, err error) string {
	at := proxyAt(proxy)
	inner := ofProxy(err)
	if inner == nil && dialing(err) {
		inner = err // only the proxy was dialed
	}
	var status ws.StatusError
	var dns *net.DNSError
	switch {
	case inner == nil && timedOut(err):
		return fmt.Sprintf("timeout: no answer from %s, or through it from %s: check both, or give a longer --timeout", at.name, u.Host)
	case inner == nil:
		return ""
	case errors.As(inner, &status):
		return proxyRefusal(u, proxy, int(status), inner)
	case errors.Is(inner, io.EOF), errors.Is(inner, io.ErrUnexpectedEOF), errors.Is(inner, syscall.ECONNRESET), errors.Is(inner, syscall.EPIPE):
		return fmt.Sprintf("%s closed the connection without an answer: is it %s, and does it accept %s://?", at.name, proxyKind(proxy), proxy.Scheme)
	case errors.Is(inner, ws.ErrMalformedResponse):
		return fmt.Sprintf("%s is not an HTTP proxy (%v): check host, port and scheme", at.name, inner)
	case errors.As(inner, &dns):
		return fmt.Sprintf("unknown proxy host %s: check the name, or use --proxy none", dns.Name)
	case errors.Is(inner, syscall.ECONNREFUSED):
		return fmt.Sprintf("connection to %s refused: is it running, and is the port right? Use --proxy none to connect directly", at.name)
	}
	for _, text := range []string{certificate(at, inner), network(at, inner)} {
		if text != "" {
			return text
		}
	}
	return fmt.Sprintf("%s: %v", at.name, inner)
}

// ofProxy returns the error between this program and a proxy, or nil.
func ofProxy(err error) error {
	if e, ok := errors.AsType[*ws.ProxyError](err); ok {
		return e.Err
	}
	return nil
}

// proxyKind returns the kind of proxy in a URL.
func proxyKind(proxy *url.URL) string {
	if strings.HasPrefix(proxy.Scheme, "socks") {
		return "a SOCKS5 proxy"
	}
	return "an HTTP proxy"
}

// ofSOCKS reports whether err is about the SOCKS exchange with a proxy.
func ofSOCKS(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && strings.HasPrefix(op.Op, "socks")
}

// dialing reports whether err is about opening the first connection.
func dialing(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// proxyRefusal explains the response with which a proxy refused to connect.
func proxyRefusal(u, proxy *url.URL, status int, err error) string {
	name := proxyAt(proxy).name
	answer := fmt.Sprintf("%d %s", status, http.StatusText(status))
	switch status {
	case http.StatusProxyAuthRequired:
		answer += challenges(err)
		switch {
		case proxy.User == nil && !takesBasic(err):
			return fmt.Sprintf("%s requires authentication (%s) with a scheme other than Basic, which wskit does not support", name, answer)
		case proxy.User == nil:
			return fmt.Sprintf("%s requires authentication (%s): use --proxy %s://name:password@%s", name, answer, proxy.Scheme, proxy.Host)
		case !takesBasic(err):
			return fmt.Sprintf("%s refused the name and password, sent with scheme Basic (%s): wskit supports no other scheme", name, answer)
		}
		return fmt.Sprintf("%s refused the name and password (%s): check them", name, answer)
	case http.StatusForbidden:
		return fmt.Sprintf("%s refused to connect to %s (%s%s): it may allow only other hosts and ports", name, u.Host, answer, firstLine(err))
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return fmt.Sprintf("%s cannot connect to %s (%s%s): is the server running, and are host and port right?", name, u.Host, answer, firstLine(err))
	case http.StatusTooManyRequests:
		return fmt.Sprintf("%s is busy (%s): try again later", name, answer)
	}
	return fmt.Sprintf("%s did not connect to %s (%s%s%s): is it an HTTP proxy that supports CONNECT?", name, u.Host, answer, location(err), firstLine(err))
}

// challenges returns the authentication challenges of a proxy's response.
func challenges(err error) string {
	lines := answerOf(err).Header().Values("Proxy-Authenticate")
	if len(lines) == 0 {
		return ", without Proxy-Authenticate"
	}
	return ", Proxy-Authenticate: " + quote(strings.Join(lines, ", "))
}

// takesBasic reports whether one of the challenges has the scheme Basic (RFC
// 9110, section 11.7.1), or there are none.
func takesBasic(err error) bool {
	lines := answerOf(err).Header().Values("Proxy-Authenticate")
	for _, line := range lines {
		for challenge := range strings.SplitSeq(line, ",") {
			if fields := strings.Fields(challenge); len(fields) > 0 && strings.EqualFold(fields[0], "Basic") {
				return true
			}
		}
	}
	return len(lines) == 0
}
