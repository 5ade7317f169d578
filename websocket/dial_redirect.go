package websocket

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/wskit/wskit/ws"
)

// credentials are the header fields that are not sent to another origin:
// credentials, and Referer, which has the whole URL of the previous request.
var credentials = [...]string{"Authorization", "Cookie", "Cookie2", "Proxy-Authorization", "Referer"}

// boundRedirects returns a CheckRedirect function for [http.Client]. It calls
// next, or the default if next is nil, and removes credentials where necessary.
func boundRedirects(next func(*http.Request, []*http.Request) error) func(*http.Request, []*http.Request) error {
	if next == nil {
		next = atMostTen
	}
	return func(r *http.Request, via []*http.Request) error {
		switch r.URL.Scheme { // because http.Client does not know ws and wss
		case "ws":
			r.URL.Scheme = "http"
		case "wss":
			r.URL.Scheme = "https"
		}
		for _, before := range via {
			if before.URL.Scheme == "https" && r.URL.Scheme != "https" {
				return errors.New("redirect from wss to ws is not allowed")
			}
		}
		if !sameOriginAsAll(r.URL, via) {
			for _, name := range credentials {
				r.Header.Del(name)
			}
			r.URL.User, r.Host = nil, ""
		}
		return next(r, via)
	}
}

func sameOriginAsAll(u *url.URL, via []*http.Request) bool {
	origin := u.Scheme + "://" + u.Host
	for _, before := range via {
		if !ws.SameOrigin(before.URL.Host, before.URL.Scheme == "https", origin) {
			return false
		}
	}
	return true
}

// atMostTen is the default CheckRedirect of [http.Client].
func atMostTen(_ *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return fmt.Errorf("stopped after %d redirects", len(via))
	}
	return nil
}
