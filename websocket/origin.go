package websocket

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/wskit/wskit/ws"
)

// checkOrigin refuses a request that the page of another site may have made, unless a
// pattern authorizes that site (RFC 6455, section 10.2).
func checkOrigin(r *http.Request, patterns []string) error {
	origins := r.Header.Values("Origin")
	if sameOrigin(r, origins) {
		return nil
	}
	if origin, ok := ws.ParseOrigin(origins...); ok {
		authorized, err := matchOrigin(origin, patterns)
		if err != nil {
			return &chainError{err.Error(), []error{err, errMisconfigured}}
		}
		if authorized {
			return nil
		}
	}
	return ws.RejectConnectionError(
		ws.RejectionStatus(http.StatusForbidden),
		ws.RejectionReason(fmt.Sprintf("websocket: origin %q is not authorized for host %q", origins, r.Host)),
	)
}

// errMisconfigured is the answer to a request that the server's own mistake refuses: what that
// is concerns the server alone.
var errMisconfigured = ws.RejectConnectionError(
	ws.RejectionStatus(http.StatusInternalServerError),
	ws.RejectionReason("websocket: "+http.StatusText(http.StatusInternalServerError)),
)

// sameOrigin is [ws.SameOrigin]. A request that came in the clear may have been
// taken off TLS by a proxy in front: then its page is one of scheme https. A page of
// that scheme cannot open a connection in the clear itself, so that no other one passes.
func sameOrigin(r *http.Request, origins []string) bool {
	return ws.SameOrigin(r.Host, r.TLS != nil, origins...) ||
		r.TLS == nil && ws.SameOrigin(r.Host, true, origins...)
}

// matchOrigin reports whether one of the patterns matches the host of origin, or
// scheme://host where it has a scheme. The default port matches both named and left out.
func matchOrigin(origin *url.URL, patterns []string) (bool, error) {
	hosts := hostForms(origin)
	for _, pattern := range patterns {
		prefix := ""
		if strings.Contains(pattern, "://") {
			prefix = origin.Scheme + "://"
		}
		for _, host := range hosts {
			if strings.EqualFold(pattern, prefix+host) { // an IPv6 address is no class of characters
				return true, nil
			}
			matched, err := path.Match(strings.ToLower(pattern), strings.ToLower(prefix+host))
			if err != nil {
				return false, fmt.Errorf("websocket: OriginPatterns: %q: %w", pattern, err)
			}
			if matched {
				return true, nil
			}
		}
	}
	return false, nil
}

// hostForms returns the host of an origin in all forms that mean the same: with and
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
