package websocket

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

func TestCheckOrigin_RFC6455_10_2(t *testing.T) {
	secure, clear := true, false
	for _, tt := range []struct {
		host     string
		secure   bool
		origins  []string
		patterns []string
		ok       bool
	}{
		// Without patterns: the same origin, and programs other than browsers.
		{"a.example", clear, nil, nil, true},
		{"a.example", clear, []string{"http://a.example"}, nil, true},
		{"a.example", clear, []string{"http://A.Example:80"}, nil, true},
		{"a.example", secure, []string{"https://a.example"}, nil, true},
		{"a.example", secure, []string{"http://a.example"}, nil, false}, // scheme counts
		{"a.example", clear, []string{"https://a.example"}, nil, true},  // a proxy ended TLS
		{"a.example:8080", clear, []string{"http://a.example"}, nil, false},
		{"a.example", clear, []string{"http://b.example"}, nil, false},
		{"a.example", clear, []string{"null"}, nil, false},
		{"a.example", clear, []string{""}, nil, false},
		{"a.example", clear, []string{"http://a.example", "http://a.example"}, nil, false},

		// Patterns on the host.
		{"a.example", clear, []string{"http://b.example"}, []string{"b.example"}, true},
		{"a.example", clear, []string{"https://b.example"}, []string{"b.example"}, true},
		{"a.example", clear, []string{"https://B.EXAMPLE"}, []string{"b.Example"}, true},
		{"a.example", clear, []string{"https://x.b.example"}, []string{"*.b.example"}, true},
		{"a.example", clear, []string{"https://b.example"}, []string{"*.b.example"}, false},
		{"a.example", clear, []string{"https://b.example.evil.example"}, []string{"b.example"}, false},
		{"a.example", clear, []string{"https://evilb.example"}, []string{"b.example", "*.b.example"}, false},
		{"a.example", clear, []string{"http://b.example:8080"}, []string{"b.example"}, false},
		{"a.example", clear, []string{"http://b.example:8080"}, []string{"b.example:*"}, true},
		{"a.example", clear, []string{"http://b.example:80"}, []string{"b.example"}, true},
		{"a.example", clear, []string{"https://b.example"}, []string{"b.example:443"}, true},
		{"a.example", clear, []string{"https://b.example:80"}, []string{"b.example"}, false},
		{"a.example", clear, []string{"http://[::1]:3000"}, []string{"[::1]:3000"}, true},
		{"a.example", clear, []string{"http://[::1]"}, []string{"[::1]:80"}, true},
		{"a.example", clear, []string{"http://b.example"}, []string{"c.example", "b.*"}, true},

		// Patterns with a scheme.
		{"a.example", clear, []string{"https://b.example"}, []string{"https://b.example"}, true},
		{"a.example", clear, []string{"http://b.example"}, []string{"https://b.example"}, false},
		{"a.example", clear, []string{"https://b.example:443"}, []string{"https://b.example"}, true},
		{"a.example", clear, []string{"HTTPS://x.b.example"}, []string{"https://*.b.example"}, true},
		{"a.example", clear, []string{"http://b.example"}, []string{"*://b.example"}, true},
		{"a.example", clear, []string{"chrome-extension://abcdef"}, []string{"chrome-extension://*"}, true},
		{"a.example", clear, []string{"chrome-extension://abcdef"}, []string{"https://*"}, false},

		// Programs other than browsers.
		{"a.example:8080", clear, []string{"ws://a.example:8080"}, nil, true},
		{"a.example", secure, []string{"wss://a.example"}, nil, true},
		{"a.example", clear, []string{"wss://a.example"}, nil, true},
		{"a.example", secure, []string{"ws://a.example"}, nil, false},
		{"a.example", clear, []string{"http://a.example/"}, nil, true},
		{"a.example", clear, []string{"http://a.example/path"}, nil, true},
		{"a.example", clear, []string{"ws://b.example"}, []string{"http://b.example"}, true},
		{"a.example", clear, []string{"wss://b.example:443"}, []string{"wss://b.example"}, true},
		{"a.example", clear, []string{"https://b.example"}, []string{"wss://b.example"}, true},
		{"a.example", clear, []string{"http://b.example/x"}, []string{"b.example"}, true},
		{"a.example", clear, []string{"http://c.example/b.example"}, []string{"b.example"}, false},
		{"a.example", clear, []string{"http://b.example"}, []string{"HTTP://B.example"}, true},

		// Without a host: only what is spelled out.
		{"a.example", clear, []string{"file://"}, []string{"file://"}, true},
		{"a.example", clear, []string{"file:///"}, []string{"file://"}, true},
		{"a.example", clear, []string{"null"}, []string{"b.example", "null"}, true},
		{"a.example", clear, []string{"null"}, []string{"file://"}, false},
		{"a.example", clear, []string{"file://"}, []string{"null", "*", "*://*", "file://*"}, false},
		{"a.example", clear, []string{"null"}, []string{"*", "nul?", "*://*"}, false},
		{"a.example", clear, []string{"null", "null"}, []string{"null"}, false},
		{"null", clear, []string{"null"}, nil, false},

		// No pattern lets these in.
		{"a.example", clear, []string{""}, []string{"*", "null"}, false},
		{"a.example", clear, []string{"http://b.example", "http://b.example"}, []string{"*", "b.example"}, false},
		{"a.example", clear, []string{"http://b.example?x"}, []string{"*"}, false},
		{"a.example", clear, []string{"http://u@b.example"}, []string{"*"}, false},
	} {
		r := &http.Request{Host: tt.host, Header: http.Header{"Origin": tt.origins}}
		if tt.secure {
			r.TLS = new(tls.ConnectionState)
		}
		err := (&AcceptOptions{OriginPatterns: tt.patterns}).checkOrigin(r)
		require.Equal(t, tt.ok, err == nil, "%+v: %v", tt, err)
		if err != nil {
			refusal, ok := errors.AsType[*ws.ConnectionRejectedError](err)
			require.True(t, ok, "%+v", tt)
			require.Equal(t, http.StatusForbidden, refusal.StatusCode())
		}
	}
}

// A pattern that can match nothing is a mistake of the server, and said so at the first
// request, whatever its origin.
func TestOriginPatternsThatMatchNothing(t *testing.T) {
	for pattern, says := range map[string]string{
		"":                      "empty",
		"://":                   "empty",
		"https://b.example/":    "unexpected path",
		"https://b.example/x":   "unexpected path",
		"b.example/":            "unexpected path",
		"https:// b.example":    "invalid character ' ' in the host",
		" b.example":            "invalid character ' ' in the host",
		"b.example, c.example":  "invalid character ' ' in the host",
		"https://u@b.example":   "invalid character '@' in the host",
		"https://b.example#x":   "invalid character '#' in the host",
		"b%41.example":          "invalid character '%' in the host",
		"b\u00fccher.example":   "xn--",
		"ht tp://b.example":     "invalid character ' ' in the scheme",
		"https,http://b.exampl": "invalid character ',' in the scheme",
		"b.example:80:x":        "more than one port",
		"b.example:*:*":         "more than one port",
		"[::1]:80:80":           "more than one port",
		"https://[::1]:80:*":    "more than one port",
		"b.example:port":        "port \"port\"",
		"*:x":                   "port \"x\"",
		"*:*:x":                 "port \"x\"",
		"b.example:":            "empty port",
		"https://*:":            "empty port",
		"[::1]:":                "empty port",
		"*://":                  "has no host",
		"?ile://":               "has no host",
		"https://":              "has no host",
		"HTTP://":               "has no host",
		"ws://":                 "has no host",
		"[b":                    path.ErrBadPattern.Error(),
		"b.example\\":           path.ErrBadPattern.Error(),
	} {
		for _, origin := range [][]string{nil, {"http://a.example"}, {"http://b.example"}} {
			r := &http.Request{Host: "a.example", Header: http.Header{"Origin": origin}}
			err := (&AcceptOptions{OriginPatterns: []string{"good.example", pattern}}).checkOrigin(r)
			require.ErrorContains(t, err, says, "%q", pattern)
			require.ErrorContains(t, err, "OriginPatterns")
			_, refusal := errors.AsType[*ws.ConnectionRejectedError](err)
			require.False(t, refusal, "the client is not told")
			require.ErrorContains(t, (&AcceptOptions{OriginPatterns: []string{pattern}}).Validate(), says)
		}
	}
	for _, pattern := range []string{
		"b.example", "B.EXAMPLE", "*", "*.b.example", "localhost:*", "b.example:80", "[::1]:3000", "[::1]", "https://*.b.example", "HTTPS://b.example",
		"chrome-extension://abc", "*://b.example", "http?://b.example", "[a-z].example", "[^a/b].example", "xn--bcher-kva.example", "null", "file://", `\*.example`,
		"*:*", "*::1*", `\[::1\]:*`, "b.example:80*", "b.example:[0-9]", "b.example:808?", "https://[::1]:3000", "https://*:443", "*:*:*", "[[]::1]",
	} {
		r := &http.Request{Host: "a.example", Header: http.Header{}}
		require.NoError(t, (&AcceptOptions{OriginPatterns: []string{pattern}}).checkOrigin(r), "%q", pattern)
	}
	r := &http.Request{Host: "a.example", Header: http.Header{"Origin": {"http://b.example"}}}
	require.ErrorIs(t, (&AcceptOptions{OriginPatterns: []string{"[b"}}).checkOrigin(r), path.ErrBadPattern)
}

func TestAcceptOptionsValidate(t *testing.T) {
	require.NoError(t, new(AcceptOptions).Validate())
	require.NoError(t, (&AcceptOptions{Hosts: []string{"a.example:80"}, OriginPatterns: []string{"localhost:*"}}).Validate())
	require.ErrorContains(t, (&AcceptOptions{Hosts: []string{"http://a.example"}}).Validate(), "Hosts")
}

// What a client sent comes back in part only, however much it was.
func TestOriginRefusalIsBounded(t *testing.T) {
	r := &http.Request{Host: strings.Repeat("h", 1<<20), Header: http.Header{"Origin": {strings.Repeat("o", 1<<20), "x"}}}
	err := new(AcceptOptions).checkOrigin(r)
	refusal, ok := errors.AsType[*ws.ConnectionRejectedError](err)
	require.True(t, ok)
	require.Less(t, len(refusal.Body()), 1000)
	require.Less(t, len(err.Error()), 1000)
}

// The server's caller learns what is wrong with the pattern, and the client does not.
func TestBadOriginPatternStaysAtHome(t *testing.T) {
	accepted := make(chan error, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := Accept(w, r, &AcceptOptions{OriginPatterns: []string{"[secret"}})
		accepted <- err
	}))
	defer srv.Close()
	_, resp, err := Dial(background, srv.URL, &DialOptions{HTTPHeader: http.Header{"Origin": {"http://b.example"}}})
	require.Error(t, err)
	require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), "internal server error")
	require.NotContains(t, string(body), "secret")
	err = <-accepted
	require.ErrorIs(t, err, path.ErrBadPattern)
	require.ErrorContains(t, err, "secret")
}
