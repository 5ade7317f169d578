package conformance

import (
	"context"
	"net"
	"strings"
)

// Assembly is one way in which the toolkit can be put together, on one side of the connection.
type Assembly struct {
	Name       string
	Compresses bool // permessage-deflate is agreed on when the peer wants it

	// Serve echoes on the connections that ln accepts. When ctx ends, it closes ln, waits for
	// the connections and returns. It is nil for a client.
	Serve func(ctx context.Context, ln net.Listener) error

	// Dial opens a connection and sends every message back until the connection ends. It is
	// nil for a server.
	Dial func(ctx context.Context, url string) error

	excuse excuse
}

// Excuse returns why the suite may tolerate what the assembly does in a case, and whether it
// may.
func (a *Assembly) Excuse(id string) (why string, ok bool) {
	for start, why := range a.excuse {
		if strings.HasPrefix(id, start) {
			return why, true
		}
	}
	return "", false
}

// excuse says why cases may be tolerated, by the beginning of their IDs.
type excuse map[string]string

var (
	// RFC 6455, section 8.1 asks for a failed connection, not for one that fails at the first
	// byte: the echo of package ws alone looks at a text when all of it is there.
	wholeText = excuse{"utf8/fail-fast/": "looks at the text of whole messages"}

	// net/http reads the head of the request and of the answer, and takes what RFC 9112
	// allows it to take.
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
