package connect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// explain explains on one line why connecting to u through proxy has failed,
// and what to do about it. proxy may be nil.
func explain(u, proxy *url.URL, err error) string {
	through := ""
	if proxy != nil {
		if text := proxyFault(u, proxy, err); text != "" {
			return text
		}
		through = fmt.Sprintf(" (through proxy %s)", proxy.Host)
	}
	at := serverAt(u)
	for _, text := range []string{noStreams(u, err), refusal(u, err), certificate(at, err), network(at, err)} {
		if text != "" {
			return text + through
		}
	}
	return fmt.Sprintf("%s: %v%s", u.Redacted(), err, through)
}

// noStreams explains that the server does not support WebSockets over HTTP/2 or
// HTTP/3.
func noStreams(u *url.URL, err error) string {
	if !errors.Is(err, websocket.ErrNoExtendedConnect) {
		return ""
	}
	return fmt.Sprintf("%s does not support WebSockets over this version of HTTP: remove --http2 or --http3", u.Host)
}

// peer describes the server or the proxy in messages.
type peer struct {
	name          string // "example.com:80" or "proxy example.com:3128"
	plain, secure string // schemes of its URL
	rename        string // how to check the certificate for another name
}

func serverAt(u *url.URL) peer {
	return peer{u.Host, "ws", "wss", "use that name, or --server-name, or --insecure"}
}

func proxyAt(u *url.URL) peer {
	return peer{"proxy " + u.Host, "http", "https", "use that name in --proxy, or --insecure"}
}

// Kind is a short name for the cause of err, to count errors by.
func Kind(err error) string {
	var status ws.StatusError
	var dns *net.DNSError
	if inner := ofProxy(err); inner != nil {
		switch {
		case errors.As(inner, &status):
			return fmt.Sprintf("proxy refused with %d", int(status))
		case notWebSocket(inner) && ofSOCKS(inner):
			return "not a SOCKS5 proxy"
		case notWebSocket(inner):
			return "not an HTTP proxy"
		}
		return "proxy: " + Kind(inner)
	}
	switch {
	case errors.Is(err, websocket.ErrNoExtendedConnect):
		return "no extended CONNECT"
	case errors.As(err, &status):
		return fmt.Sprintf("handshake refused with %d", int(status))
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no free local port"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "no free descriptor"
	case errors.As(err, &dns):
		return "unknown host"
	case timedOut(err):
		return "timeout"
	case certificate(peer{}, err) != "":
		return "certificate"
	case notWebSocket(err):
		return "not a WebSocket server"
	}
	return "other: " + err.Error()
}

// refusal explains a response that refuses the handshake, or that is not one of
// a WebSocket server.
func refusal(u *url.URL, err error) string {
	var status ws.StatusError
	if !errors.As(err, &status) {
		if notWebSocket(err) {
			return fmt.Sprintf("%s is not a WebSocket server (%v): check host, port and scheme", u.Host, err)
		}
		return ""
	}
	answer := fmt.Sprintf("%d %s", int(status), http.StatusText(int(status)))
	switch s := int(status); {
	case s == http.StatusUnauthorized:
		return fmt.Sprintf("the server requires authentication (%s): give --user name:password or --header", answer)
	case s == http.StatusForbidden:
		return fmt.Sprintf("the server refused the handshake (%s): it may require another --origin, or credentials", answer)
	case s == http.StatusNotFound:
		return fmt.Sprintf("path %s not found (%s): check the URL", u.Path, answer)
	case s == http.StatusProxyAuthRequired:
		return fmt.Sprintf("%s is a proxy that requires authentication (%s%s): use --proxy http://name:password@host:port", u.Host, answer, challenges(err))
	case s == http.StatusTooManyRequests || s == http.StatusServiceUnavailable:
		return fmt.Sprintf("the server is busy (%s): try again later", answer)
	case s/100 == 3:
		return fmt.Sprintf("the server redirects (%s%s): use that URL", answer, location(err))
	case s/100 == 2:
		return fmt.Sprintf("%s is not a WebSocket endpoint: it answered as a web page (%s): check the path", u.Redacted(), answer)
	}
	return fmt.Sprintf("the server refused the handshake (%s%s)", answer, firstLine(err))
}

func location(err error) string {
	if to := answerOf(err).Header().Get("Location"); to != "" {
		return " to " + quote(to)
	}
	return ""
}

// firstLine returns the first line of the body of a refusal, which often gives
// the reason.
func firstLine(err error) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(answerOf(err).Body())), "\n")
	if line == "" || len(line) > 200 || strings.HasPrefix(line, "<") {
		return ""
	}
	return ": " + quote(strings.TrimSpace(line))
}

// answerOf returns the response that refused, which is empty if there was none.
func answerOf(err error) *ws.ConnectionRejectedError {
	if answer, ok := errors.AsType[*ws.ConnectionRejectedError](err); ok {
		return answer
	}
	return new(ws.ConnectionRejectedError)
}

// quote quotes at most 256 bytes from a peer, to be safe on a terminal.
func quote(s string) string {
	if len(s) > 256 {
		return strconv.Quote(s[:256]) + "…"
	}
	return strconv.Quote(s)
}

// notWebSocket reports whether the peer answered with something other than a
// handshake.
func notWebSocket(err error) bool {
	for _, e := range []error{
		ws.ErrMalformedResponse, ws.ErrHandshakeBadSecAccept, ws.ErrHandshakeBadUpgrade,
		ws.ErrHandshakeBadConnection, io.EOF, io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// certificate explains an error of TLS.
func certificate(at peer, err error) string {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     *net.OpError // crypto/tls has no other type for alerts of the peer
	)
	switch {
	case errors.As(err, &authority):
		return fmt.Sprintf("the certificate of %s is signed by an unknown authority: trust it with --ca FILE, or skip the check with --insecure", at.name)
	case errors.As(err, &name):
		return fmt.Sprintf("the certificate is not for %s (%v): %s", at.name, name, at.rename)
	case errors.As(err, &invalid):
		return fmt.Sprintf("the certificate of %s is invalid (%v): skip the check with --insecure", at.name, invalid)
	case errors.As(err, &record):
		return fmt.Sprintf("%s does not use TLS: write %s:// instead of %s://", at.name, at.plain, at.secure)
	case errors.As(err, &alert) && alert.Op == "remote error":
		hint := "check host and port"
		if strings.Contains(alert.Err.Error(), "certificate") {
			hint = "it requires a client certificate that it trusts: give --cert FILE"
		}
		return fmt.Sprintf("%s ended the TLS handshake (%v): %s", at.name, alert.Err, hint)
	}
	return ""
}

func timedOut(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &timeout) && timeout.Timeout()
}

// network explains why there is no connection.
func network(at peer, err error) string {
	var dns *net.DNSError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("socket %s not found: is the server running, and is the path right?", at.name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("connection to %s refused: is the server running, and is the port right?", at.name)
	case errors.As(err, &dns):
		return fmt.Sprintf("unknown host %s: check the name", dns.Name)
	case timedOut(err):
		return fmt.Sprintf("%s did not answer in time: check host and port, or give a longer --timeout", at.name)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Sprintf("no local address or free port to connect to %s from: check --source, or add addresses", at.name)
	case errors.Is(err, syscall.ECONNRESET):
		return fmt.Sprintf("%s closed the connection during the handshake: is it a WebSocket server?", at.name)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fmt.Sprintf("no route to %s: check the network", at.name)
	}
	return ""
}
