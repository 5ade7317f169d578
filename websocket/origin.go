package websocket

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/wskit/wskit/internal/peertext"
	"github.com/wskit/wskit/ws"
)

// CheckOrigin returns an error if a page of another site may have made the
// request and no option authorizes that site (RFC 6455, section 10.2). [Accept]
// refuses the request with the same error. CheckOrigin is for programs that
// upgrade without Accept, for example to pass the connection to package wsloop.
// [ws.RefusalStatus] returns the status of the response. o may be nil.
func (o *AcceptOptions) CheckOrigin(r *http.Request) error {
	if r == nil {
		return errNilRequest
	}
	if o == nil {
		o = new(AcceptOptions)
	}
	if o.InsecureSkipVerify {
		return nil
	}
	return o.checkOrigin(r)
}

var errNilRequest = errors.New("websocket: nil request")

// checkOrigin is CheckOrigin without InsecureSkipVerify.
func (o *AcceptOptions) checkOrigin(r *http.Request) error {
	if err := checkPatterns(o.OriginPatterns); err != nil {
		return err
	}
	origins := r.Header["Origin"]
	if o.sameOrigin(r, origins) || len(o.OriginPatterns) > 0 && authorized(origins, o.OriginPatterns) ||
		o.CrossOrigin != nil && len(origins) <= 1 && o.asPost(r) {
		return nil
	}
	return o.foreignOrigin(r, origins)
}

// foreignOrigin is a separate function to keep the stack of a handler small.
//
//go:noinline
func (o *AcceptOptions) foreignOrigin(r *http.Request, origins []string) error {
	hint := "add it to AcceptOptions.OriginPatterns"
	if o.CrossOrigin != nil {
		hint = "add it to AcceptOptions.CrossOrigin or OriginPatterns"
	}
	if o.Proxies == nil && (r.Header["X-Forwarded-Host"] != nil || r.Header["X-Forwarded-Proto"] != nil || r.Header["Forwarded"] != nil) {
		hint += ", or add the proxy that sent this to AcceptOptions.Proxies"
	}
	return ws.RejectConnectionError(
		ws.RejectionStatus(http.StatusForbidden),
		ws.RejectionReason(fmt.Sprintf("websocket: origin %q is not authorized for host %q: %s",
			peertext.Cut(strings.Join(origins, ", ")), peertext.Cut(r.Host), hint)),
	)
}

// sameOrigin is [ws.SameOrigin], unless the browser itself reports whether the
// page has the same origin. The report takes the scheme into account and is
// valid behind a proxy that replaces Host. A script cannot set the field (Fetch
// Metadata, section 2.3).
//
// A request without TLS may have come through a proxy that terminates TLS; the
// scheme of its page is then https. Accepting that scheme admits no other page,
// because an https page cannot open a connection without TLS.
func (o *AcceptOptions) sameOrigin(r *http.Request, origins []string) bool {
	if site := r.Header["Sec-Fetch-Site"]; len(site) > 0 && site[0] != "none" {
		return len(site) == 1 && site[0] == "same-origin"
	}
	secure := r.TLS != nil
	if o.Proxies != nil {
		secure = r.URL.Scheme == "https"
	}
	return ws.SameOrigin(r.Host, secure, origins...) || !secure && ws.SameOrigin(r.Host, true, origins...)
}

// asPost reports whether CrossOrigin would let the request pass as a POST. A
// handshake is a GET request, which CrossOrigin always lets pass.
//
//go:noinline
func (o *AcceptOptions) asPost(r *http.Request) bool {
	post := *r
	post.Method = http.MethodPost
	return o.CrossOrigin.Check(&post) == nil
}

// authorized reports whether one of the patterns matches the origin.
func authorized(origins, patterns []string) bool {
	if origin, ok := ws.ParseOrigin(origins...); ok {
		return matchOrigin(origin, patterns)
	}
	return len(origins) == 1 && spelledOut(origins[0], patterns)
}

// matchOrigin reports whether one of the patterns matches the host of origin,
// or scheme://host if the pattern has a scheme. The default port matches
// whether it is present or not.
func matchOrigin(origin *url.URL, patterns []string) bool {
	hosts := hostForms(origin)
	for _, pattern := range patterns {
		pattern, prefix := strings.ToLower(pattern), ""
		if scheme, host, ok := strings.Cut(pattern, "://"); ok {
			pattern, prefix = webScheme(scheme)+"://"+host, origin.Scheme+"://"
		}
		for _, host := range hosts {
			host = prefix + strings.ToLower(host)
			if pattern == host { // the brackets of an IPv6 address are not a character class
				return true
			}
			if matched, _ := path.Match(pattern, host); matched {
				return true
			}
		}
	}
	return false
}

// webScheme returns the scheme that [ws.ParseOrigin] returns for scheme.
func webScheme(scheme string) string {
	switch scheme {
	case "ws":
		return "http"
	case "wss":
		return "https"
	}
	return scheme
}

// spelledOut reports whether an origin without a host is equal to one of the
// patterns: "null", or a scheme as in "file://". No wildcard matches it.
func spelledOut(origin string, patterns []string) bool {
	if scheme, rest, ok := strings.Cut(origin, "://"); ok && (rest == "" || rest[0] == '/') {
		origin = scheme + "://"
	} else if origin != "null" {
		return false
	}
	return slices.ContainsFunc(patterns, func(pattern string) bool { return strings.EqualFold(pattern, origin) })
}

// hostForms returns the equivalent forms of the host of an origin: with and
// without the default port.
func hostForms(origin *url.URL) []string {
	standard := map[string]string{"http": "80", "https": "443"}[origin.Scheme]
	bare := strings.TrimSuffix(origin.Host, ":")
	switch {
	case standard != "" && origin.Port() == "":
		return []string{bare, net.JoinHostPort(origin.Hostname(), standard)}
	case standard != "" && origin.Port() == standard:
		return []string{strings.TrimSuffix(bare, ":"+standard), bare}
	}
	return []string{bare}
}

// checkPatterns returns an error if a pattern can match no origin. That is a
// mistake in the server's options, which Accept reports for every request.
func checkPatterns(patterns []string) error {
	for _, pattern := range patterns {
		if err := checkPattern(pattern); err != nil {
			return fmt.Errorf("websocket: OriginPatterns: %q matches no origin: %w", pattern, err)
		}
	}
	return nil
}

// checkPattern returns why a pattern can match no origin, or nil.
func checkPattern(pattern string) error {
	if _, err := path.Match(pattern, ""); err != nil {
		return err
	}
	scheme, host, hasScheme := strings.Cut(pattern, "://")
	if !hasScheme {
		scheme, host = "", pattern
	} else if c, ok := outside(scheme, "+-."); ok {
		return fmt.Errorf("invalid character %q in the scheme", c)
	}
	switch c, ok := outside(host, "-._~!$&'()+,;=:"); {
	case ok && c == '/':
		return fmt.Errorf("unexpected path")
	case ok && c > '~':
		return fmt.Errorf("write a name outside ASCII in its xn-- form")
	case ok:
		return fmt.Errorf("invalid character %q in the host", c)
	case scheme == "" && host == "":
		return errors.New("empty pattern")
	case hasScheme && host == "" && (strings.ContainsAny(scheme, wildcards) || webScheme(strings.ToLower(scheme)) == "http" || webScheme(strings.ToLower(scheme)) == "https"):
		return fmt.Errorf("scheme %q has no host", scheme)
	}
	return checkPatternPort(host)
}

// wildcards are the special characters of a pattern.
const wildcards = `*?[\`

// checkPatternPort returns an error if the text after a colon in the pattern of
// a host is not a port.
func checkPatternPort(host string) error {
	name, port, ok := cutColon(host)
	if !ok {
		return nil
	}
	if _, _, more := cutColon(port); more && (isAddress(name) || !strings.ContainsAny(name, wildcards)) { // an IPv6 address has more colons
		return errors.New("more than one port")
	}
	for rest := port; ok; _, rest, ok = cutColon(port) {
		port = rest
	}
	switch {
	case port == "":
		return errors.New("empty port")
	case !strings.ContainsAny(port, wildcards+"]") && strings.Trim(port, "0123456789") != "":
		return fmt.Errorf("port %q is not a number", port)
	}
	return nil
}

// isAddress reports whether a pattern is an IPv6 address in brackets, which
// looks like a character class.
func isAddress(pattern string) bool {
	if !strings.HasPrefix(pattern, "[") || !strings.HasSuffix(pattern, "]") {
		return false
	}
	addr, err := netip.ParseAddr(pattern[1 : len(pattern)-1])
	return err == nil && addr.Is6()
}

// cutColon cuts a pattern at the first colon outside of a character class or an
// address.
func cutColon(pattern string) (before, after string, ok bool) {
	class := false
	for i, c := range pattern {
		switch {
		case c == '[':
			class = true
		case c == ']':
			class = false
		case c == ':' && !class:
			return pattern[:i], pattern[i+1:], true
		}
	}
	return pattern, "", false
}

// outside returns the first character of a pattern that is not a letter, a
// digit, in more, or part of the pattern syntax. It skips character classes.
func outside(pattern, more string) (c rune, ok bool) {
	class := false
	for _, c := range pattern {
		switch {
		case c == '[':
			class = true
		case c == ']':
			class = false
		case class, '0' <= c && c <= '9', 'a' <= c|0x20 && c|0x20 <= 'z' && c < 0x80, strings.ContainsRune(more+`*?\`, c):
		default:
			return c, true
		}
	}
	return 0, false
}
