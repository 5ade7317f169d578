package ws

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSameOrigin_RFC6455_10_2(t *testing.T) {
	for _, tt := range []struct {
		host    string
		secure  bool
		origins []string
		same    bool
	}{
		{"a.example", false, nil, true},
		{"a.example", false, []string{"http://a.example"}, true},
		{"a.example", false, []string{"http://A.EXAMPLE"}, true},
		{"A.example", false, []string{"HTTP://a.example"}, true},
		{"a.example", false, []string{"http://a.example:80"}, true},
		{"a.example:80", false, []string{"http://a.example"}, true},
		{"a.example", true, []string{"https://a.example:443"}, true},
		{"a.example:8443", true, []string{"https://a.example:8443"}, true},
		{"[::1]:8080", false, []string{"http://[::1]:8080"}, true},
		{"a.example:8080", false, []string{"ws://a.example:8080"}, true},
		{"a.example", true, []string{"wss://a.example"}, true},
		{"a.example", true, []string{"WSS://a.example:443"}, true},
		{"a.example:443", true, []string{"wss://a.example"}, true},
		{"a.example", false, []string{"http://a.example/"}, true},
		{"a.example", false, []string{"http://a.example/path?query#fragment"}, true},

		{"a.example", true, []string{"ws://a.example"}, false},
		{"a.example", false, []string{"wss://a.example"}, false},
		{"a.example", false, []string{"http://b.example/a.example"}, false},
		{"a.example", false, []string{"http://b.example/@a.example"}, false},
		{"a.example", false, []string{"http:///a.example"}, false},
		{"a.example", false, []string{"http://a.example?x"}, false},

		{"a.example", false, []string{"https://a.example"}, false},
		{"a.example", true, []string{"http://a.example"}, false},
		{"a.example", false, []string{"http://a.example:8080"}, false},
		{"a.example:8080", false, []string{"http://a.example"}, false},
		{"a.example", false, []string{"http://b.example"}, false},
		{"a.example", false, []string{"http://a.example.evil.example"}, false},
		{"a.example", false, []string{"http://evil.example#a.example"}, false},
		{"a.example", false, []string{"http://a.example@evil.example"}, false},
		{"a.example", false, []string{"http://x@a.example"}, false},
		{"a.example", false, []string{"null"}, false},
		{"a.example", false, []string{""}, false},
		{"a.example", false, []string{"a.example"}, false},
		{"a.example", false, []string{"http://"}, false},
		{"", false, []string{"http://"}, false},
		{"a.example", false, []string{"http://a.example", "http://a.example"}, false},
		{"a.example", false, []string{"http://a.example, http://a.example"}, false},
	} {
		require.Equal(t, tt.same, SameOrigin(tt.host, tt.secure, tt.origins...), "%+v", tt)
	}
}

func TestParseOrigin_RFC6454_6_2(t *testing.T) {
	u, ok := ParseOrigin("HTTPS://A.example:8443")
	require.True(t, ok)
	require.Equal(t, "https", u.Scheme)
	require.Equal(t, "A.example:8443", u.Host)
	u, ok = ParseOrigin("wss://a.example/path")
	require.True(t, ok)
	require.Equal(t, "https://a.example", u.String())
	for _, origins := range [][]string{nil, {"null"}, {""}, {"a.example"}, {"//a.example"}, {"http:///"}, {"file://"}, {"http://u@a.example"}, {"http://a.example", "http://a.example"},
		{"http://"}, {"http://:80"}, {"http://a b"}, {"http://a.example\\x"}, {"http://a%41"}, {"http://a:b:80"}, {"http://a.example:8o"}, {"http://a.example#"}, {"http://a.example?"},
		{"http://[::1"}, {"http://[]"}, {"http://[::1]x"}, {"http://[::1%eth0]"}, {"http://::1"}, {"1x://a.example"}, {"://a.example"}, {"h_p://a.example"},
	} {
		_, ok := ParseOrigin(origins...)
		require.False(t, ok, "%q", origins)
	}
}

// An origin is also a URL with a scheme, a host and an optional path for
// net/url.
func FuzzParseOrigin(f *testing.F) {
	for _, origin := range []string{
		"https://a.example", "HTTP://A.example:8080", "chrome-extension://abc", "http://[2001:db8::1]:80", "http://127.0.0.1:", "null", "http://u@h", "http://h/p", "a://b%20c",
	} {
		f.Add(origin)
	}
	f.Fuzz(func(t *testing.T, origin string) {
		got, ok := ParseOrigin(origin)
		if !ok {
			return
		}
		scheme, host, _ := strings.Cut(origin, "://")
		host, _, _ = strings.Cut(host, "/")
		want, err := url.Parse(scheme + "://" + host)
		require.NoError(t, err)
		if web, ok := map[string]string{"ws": "http", "wss": "https"}[want.Scheme]; ok {
			want.Scheme = web
		}
		require.Equal(t, want, got)
	})
}
