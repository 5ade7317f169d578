package ws

import (
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

		{"a.example", false, []string{"https://a.example"}, false},
		{"a.example", true, []string{"http://a.example"}, false},
		{"a.example", false, []string{"http://a.example:8080"}, false},
		{"a.example:8080", false, []string{"http://a.example"}, false},
		{"a.example", false, []string{"http://b.example"}, false},
		{"a.example", false, []string{"http://a.example.evil.example"}, false},
		{"a.example", false, []string{"http://evil.example#a.example"}, false},
		{"a.example", false, []string{"http://a.example@evil.example"}, false},
		{"a.example", false, []string{"http://x@a.example"}, false},
		{"a.example", false, []string{"http://a.example/path"}, false},
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
	for _, origins := range [][]string{nil, {"null"}, {""}, {"a.example"}, {"//a.example"}, {"http://a.example/"}, {"http://u@a.example"}, {"http://a.example", "http://a.example"}} {
		_, ok := ParseOrigin(origins...)
		require.False(t, ok, "%q", origins)
	}
}
