package conformance

import (
	"context"
	"net"
	"strings"
)

// Assembly is one way to build an endpoint from the packages of this module.
type Assembly struct {
	Name       string
	Compresses bool // permessage-deflate is negotiated if the peer offers it

	// Serve echoes on the connections that ln accepts. When ctx ends, it closes
	// ln, waits for the connections and returns. It is nil for a client.
	Serve func(ctx context.Context, ln net.Listener) error

	// Dial opens a connection and echoes every message until the connection
	// ends. It is nil for a server.
	Dial func(ctx context.Context, url string) error

	excuse excuse
}

// Excuse returns the reason why the assembly may be tolerated in a case. ok is
// false if it may not.
func (a *Assembly) Excuse(id string) (why string, ok bool) {
	for start, why := range a.excuse {
		if strings.HasPrefix(id, start) {
			return why, true
		}
	}
	return "", false
}

// excuse maps prefixes of case IDs to reasons why the cases may be tolerated.
type excuse map[string]string

var (
	// RFC 6455, section 8.1 requires that the connection fails, but not at the
	// first invalid byte. The echo with only package ws validates whole
	// messages.
	wholeText = excuse{"utf8/fail-fast/": "looks at the text of whole messages"}

	// net/http parses the heads of requests and responses, and accepts
	// everything that RFC 9112 allows.
	netHTTP = excuse{
		"request/head/bare-lf":             "takes lines that end in LF",
		"request/head/folded":              "takes folded lines",
		"response/head/bare-lf":            "takes lines that end in LF",
		"response/head/folded":             "takes folded lines",
		"response/head/space-before-colon": "takes a space before the colon of an answer",
		"response/head/endless":            "reads a head of up to 10 MiB",
	}
)

func (e excuse) and(others ...excuse) excuse {
	all := excuse{}
	for _, o := range append(others, e) {
		for id, why := range o {
			all[id] = why
		}
	}
	return all
}
