package websocket

import (
	"net/http"
	"strings"
)

// TakeToken removes a token from the subprotocols that r offers, and returns
// it. The token is the rest of the subprotocol that begins with prefix. The
// subprotocols are the only field in which a script in a browser can send
// credentials:
//
//	new WebSocket(url, ["chat.v2", "bearer." + token])
//
// A handler calls TakeToken before [Accept], and before anything logs r. The
// token is then no longer in r.Header, so that it cannot appear in logs, errors
// and responses, or be chosen as the subprotocol. ok is false if there is no
// subprotocol with the prefix, or more than one; TakeToken removes all of them.
// An empty prefix matches none.
//
// A browser requires that one of the other subprotocols is chosen: see
// [AcceptOptions].RequireSubprotocol. The characters of the token must be valid
// in a subprotocol, as those of base64url without padding are (RFC 6455,
// section 4.1).
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

// setOffer replaces the offered subprotocols. If there are none, it removes the
// field.
func setOffer(h http.Header, name string, offered []string) {
	if len(offered) == 0 {
		delete(h, name)
		return
	}
	h[name] = []string{strings.Join(offered, ", ")}
}
