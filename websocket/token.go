package websocket

import (
	"net/http"
	"strings"
)

// TakeToken takes a token out of the subprotocols that r offers, and returns it: what
// follows prefix in the one that begins with prefix. A script in a browser can send
// credentials in no other field:
//
//	new WebSocket(url, ["chat.v2", "bearer." + token])
//
// A handler calls it before [Accept], and before anything logs r: the token is then
// no longer in r.Header, from where logs, errors and answers would repeat it. It is never
// chosen as the subprotocol. ok is false if there is no such subprotocol, or more than
// one; all are taken out. An empty prefix matches none.
//
// A browser wants one of the other subprotocols to be chosen: see
// [AcceptOptions].RequireSubprotocol. The token must be made of the characters that a
// subprotocol may have, as base64url without padding is (RFC 6455, section 4.1).
func TakeToken(r *http.Request, prefix string) (token string, ok bool) {
	if r == nil || prefix == "" {
		return "", false
	}
	found := 0
	for name, values := range r.Header {
		if http.CanonicalHeaderKey(name) != "Sec-Websocket-Protocol" {
			continue
		}
		var left []string
		for _, value := range values {
			for member := range strings.SplitSeq(value, ",") {
				member = strings.Trim(member, " \t")
				if after, ok := strings.CutPrefix(member, prefix); ok {
					token = after
					found++
				} else {
					left = append(left, member)
				}
			}
		}
		if found > 0 {
			setOffer(r.Header, name, left)
		}
	}
	if found != 1 {
		return "", false
	}
	return token, true
}

// setOffer replaces the subprotocols that are offered. A request without any has no such
// field.
func setOffer(h http.Header, name string, offered []string) {
	if len(offered) == 0 {
		delete(h, name)
		return
	}
	h[name] = []string{strings.Join(offered, ", ")}
}
