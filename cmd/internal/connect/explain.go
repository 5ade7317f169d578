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

// explain says in one line why connecting to u through proxy, which is nil for
// none, has failed, and what to do about it.
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

// noStreams explains a server without WebSockets over HTTP/2 or HTTP/3.
func noStreams(u *url.URL, err error) string {
	if !errors.Is(err, websocket.ErrNoExtendedConnect) {
		return ""
	}
	return fmt.Sprintf("%s does not offer WebSockets in this version of HTTP: leave --http2 or --http3 out", u.Host)
}

// peer is the server or the proxy in the words of messages.
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

// refusal explains an answer that is none of a WebSocket server, or one that refuses.
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
		return fmt.Sprintf("the server asks who you are (%s): give --user name:password or --header", answer)
	case s == http.StatusForbidden:
		return fmt.Sprintf("the server refuses (%s): it may want another --origin, or credentials", answer)
	case s == http.StatusNotFound:
		return fmt.Sprintf("nothing at path %s (%s): check the URL", u.Path, answer)
	case s == http.StatusProxyAuthRequired:
		return fmt.Sprintf("%s answers as a proxy does (%s%s): write --proxy http://name:password@host:port", u.Host, answer, challenges(err))
	case s == http.StatusTooManyRequests || s == http.StatusServiceUnavailable:
		return fmt.Sprintf("the server is busy (%s): try again later", answer)
	case s/100 == 3:
		return fmt.Sprintf("the server sends us elsewhere (%s%s): use that URL", answer, location(err))
	case s/100 == 2:
		return fmt.Sprintf("no WebSocket at %s: it answers as a web page (%s): check the path", u.Redacted(), answer)
	}
	return fmt.Sprintf("the server refused the handshake (%s%s)", answer, firstLine(err))
}

func location(err error) string {
	if to := answerOf(err).Header().Get("Location"); to != "" {
		return " to " + quote(to)
	}
	return ""
}

// firstLine is the beginning of the body of a refusal, which often says why.
func firstLine(err error) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(answerOf(err).Body())), "\n")
	if line == "" || len(line) > 200 || strings.HasPrefix(line, "<") {
		return ""
	}
	return ": " + quote(strings.TrimSpace(line))
}

// answerOf returns the answer that refused, which is empty if there is none.
func answerOf(err error) *ws.ConnectionRejectedError {
	if answer, ok := errors.AsType[*ws.ConnectionRejectedError](err); ok {
		return answer
	}
	return new(ws.ConnectionRejectedError)
}

// quote makes what a peer sent fit for a terminal, in at most 256 of its bytes.
func quote(s string) string {
	if len(s) > 256 {
		return strconv.Quote(s[:256]) + "…"
	}
	return strconv.Quote(s)
}

// notWebSocket reports whether the peer has answered with something else than a
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

// certificate explains what is wrong in TLS.
func certificate(at peer, err error) string {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     *net.OpError // crypto/tls has no other type for what the peer says
	)
	switch {
	case errors.As(err, &authority):
		return fmt.Sprintf("the certificate of %s is of an unknown authority: trust it with --ca FILE, or do not check with --insecure", at.name)
	case errors.As(err, &name):
		return fmt.Sprintf("the certificate is not for %s (%v): %s", at.name, name, at.rename)
	case errors.As(err, &invalid):
		return fmt.Sprintf("the certificate of %s is not valid (%v): --insecure does not check it", at.name, invalid)
	case errors.As(err, &record):
		return fmt.Sprintf("%s does not speak TLS: write %s:// in place of %s://", at.name, at.plain, at.secure)
	case errors.As(err, &alert) && alert.Op == "remote error":
		hint := "check host and port"
		if strings.Contains(alert.Err.Error(), "certificate") {
			hint = "it wants a certificate that it trusts, --cert FILE"
		}
		return fmt.Sprintf("%s ends the TLS handshake (%v): %s", at.name, alert.Err, hint)
	}
	return ""
}

func timedOut(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &timeout) && timeout.Timeout()
}

// network explains why there is no connection at all.
func network(at peer, err error) string {
	var dns *net.DNSError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("there is no socket %s: is the server running, and is the path right?", at.name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("nothing listens at %s: is the server running, and is the port right?", at.name)
	case errors.As(err, &dns):
		return fmt.Sprintf("host %s is not known: check the name", dns.Name)
	case timedOut(err):
		return fmt.Sprintf("%s did not answer in time: check host and port, or give a longer --timeout", at.name)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Sprintf("no address of this machine, or no free port, to connect to %s from: check --source, or add to it", at.name)
	case errors.Is(err, syscall.ECONNRESET):
		return fmt.Sprintf("%s closed the connection in the handshake: is it a WebSocket server?", at.name)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fmt.Sprintf("no way to %s: check the network", at.name)
	}
	return ""
}
