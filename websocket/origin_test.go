package websocket

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
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
		// Without patterns: the same origin, and programs that are no browser.
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
		{"a.example", clear, []string{"http://b.example"}, []string{""}, false},

		// Patterns with a scheme.
		{"a.example", clear, []string{"https://b.example"}, []string{"https://b.example"}, true},
		{"a.example", clear, []string{"http://b.example"}, []string{"https://b.example"}, false},
		{"a.example", clear, []string{"https://b.example:443"}, []string{"https://b.example"}, true},
		{"a.example", clear, []string{"HTTPS://x.b.example"}, []string{"https://*.b.example"}, true},
		{"a.example", clear, []string{"http://b.example"}, []string{"*://b.example"}, true},
		{"a.example", clear, []string{"chrome-extension://abcdef"}, []string{"chrome-extension://*"}, true},
		{"a.example", clear, []string{"chrome-extension://abcdef"}, []string{"https://*"}, false},

		// No pattern lets these in.
		{"a.example", clear, []string{"null"}, []string{"*", "null", "*://*"}, false},
		{"a.example", clear, []string{""}, []string{"*", ""}, false},
		{"a.example", clear, []string{"http://b.example", "http://b.example"}, []string{"*", "b.example"}, false},
		{"a.example", clear, []string{"http://b.example/x"}, []string{"*"}, false},
		{"a.example", clear, []string{"http://u@b.example"}, []string{"*"}, false},
	} {
		r := &http.Request{Host: tt.host, Header: http.Header{"Origin": tt.origins}}
		if tt.secure {
			r.TLS = new(tls.ConnectionState)
		}
		err := checkOrigin(r, tt.patterns)
		require.Equal(t, tt.ok, err == nil, "%+v: %v", tt, err)
		if err != nil {
			refusal, ok := errors.AsType[*ws.ConnectionRejectedError](err)
			require.True(t, ok, "%+v", tt)
			require.Equal(t, http.StatusForbidden, refusal.StatusCode())
		}
	}
}

func TestBadOriginPatternIsTheServersFault(t *testing.T) {
	r := &http.Request{Host: "a.example", Header: http.Header{"Origin": {"http://b.example"}}}
	require.ErrorIs(t, checkOrigin(r, []string{"[b"}), path.ErrBadPattern)
	r.Header.Set("Origin", "http://a.example")
	require.NoError(t, checkOrigin(r, []string{"[b"}))
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
	require.Contains(t, string(body), "Internal Server Error")
	require.NotContains(t, string(body), "secret")
	err = <-accepted
	require.ErrorIs(t, err, path.ErrBadPattern)
	require.ErrorContains(t, err, "secret")
}
