package ws

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	trusted  = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("127.0.0.1/32")}
	behind   = &Proxies{Trusted: trusted}
	standard = &Proxies{Trusted: trusted, Standard: true}
)

func fields(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return h
}

func TestProxies_XForwarded(t *testing.T) {
	for _, tt := range []struct {
		name, remote string
		header       http.Header
		addr, url    string
	}{
		{"no proxy", "192.0.2.1:5", fields(), "192.0.2.1:5", "http://inner/"},
		{"proxy that says nothing", "10.0.0.1:5", fields(), "10.0.0.1:5", "http://inner/"},
		{"one proxy", "10.0.0.1:5", fields("X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: outer:8443"), "192.0.2.1:0", "https://outer:8443/"},
		{"with a port", "10.0.0.1:5", fields("X-Forwarded-For: 192.0.2.1:77"), "192.0.2.1:77", "http://inner/"},
		{"IPv6", "[fd00::1]:5", fields("X-Forwarded-For: 2001:db8::1"), "[2001:db8::1]:0", "http://inner/"},
		{"IPv6 with a port", "[fd00::1]:5", fields("X-Forwarded-For: [2001:db8::1]:77"), "[2001:db8::1]:77", "http://inner/"},
		{"IPv6 in brackets", "[fd00::1]:5", fields("X-Forwarded-For: [2001:db8::1]"), "[2001:db8::1]:0", "http://inner/"},
		{"mapped", "[::ffff:10.0.0.1]:5", fields("X-Forwarded-For: ::ffff:192.0.2.1"), "192.0.2.1:0", "http://inner/"},
		{"letter case of the scheme", "10.0.0.1:5", fields("X-Forwarded-Proto: HTTPS"), "10.0.0.1:5", "https://inner/"},
		{"scheme of the handshake", "10.0.0.1:5", fields("X-Forwarded-Proto: wss"), "10.0.0.1:5", "https://inner/"},

		{"two proxies", "10.0.0.1:5", fields("X-Forwarded-For: 192.0.2.1, 10.0.0.2", "X-Forwarded-Proto: https, http", "X-Forwarded-Host: outer, middle"), "192.0.2.1:0", "https://outer/"},
		{"two lines", "10.0.0.1:5", fields("X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 10.0.0.2"), "192.0.2.1:0", "http://inner/"},
		{"two proxies, one that says the scheme", "10.0.0.1:5", fields("X-Forwarded-For: 192.0.2.1, 10.0.0.2", "X-Forwarded-Proto: https"), "192.0.2.1:0", "https://inner/"},
		{"client in the trusted network", "10.0.0.1:5", fields("X-Forwarded-For: 10.0.0.9"), "10.0.0.9:0", "http://inner/"},
		{"empty members", "10.0.0.1:5", fields("X-Forwarded-For: ,192.0.2.1,,\t,"), "192.0.2.1:0", "http://inner/"},

		// Members written by the client do not count.
		{"client that lies", "192.0.2.1:5", fields("X-Forwarded-For: 10.0.0.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: victim"), "192.0.2.1:5", "http://inner/"},
		{"client that lies to a proxy", "10.0.0.1:5", fields("X-Forwarded-For: 127.0.0.1, 192.0.2.1", "X-Forwarded-Proto: https, http", "X-Forwarded-Host: victim, outer"), "192.0.2.1:0", "http://outer/"},
		{"in another line", "10.0.0.1:5", fields("X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: 192.0.2.1"), "192.0.2.1:0", "http://inner/"},
		{"client that opens a quote", "10.0.0.1:5", fields(`X-Forwarded-For: ", 192.0.2.1`), "192.0.2.1:0", "http://inner/"},
		{"the other field", "10.0.0.1:5", fields("Forwarded: for=127.0.0.1;proto=https;host=victim"), "10.0.0.1:5", "http://inner/"},
		{"Unix socket", "@", fields("X-Forwarded-For: 192.0.2.1"), "@", "http://inner/"},

		// A malformed member ends the search.
		{"no address", "10.0.0.1:5", fields("X-Forwarded-For: 192.0.2.1, unknown"), "10.0.0.1:5", "http://inner/"},
		{"no address after one", "10.0.0.1:5", fields("X-Forwarded-For: 192.0.2.1, x, 10.0.0.2"), "10.0.0.2:0", "http://inner/"},
		{"zone", "10.0.0.1:5", fields("X-Forwarded-For: fe80::1%eth0"), "10.0.0.1:5", "http://inner/"},
		{"half a bracket", "10.0.0.1:5", fields("X-Forwarded-For: [2001:db8::1"), "10.0.0.1:5", "http://inner/"},
		{"port that is none", "10.0.0.1:5", fields("X-Forwarded-For: 192.0.2.1:99999"), "10.0.0.1:5", "http://inner/"},
		{"scheme that is none", "10.0.0.1:5", fields("X-Forwarded-Proto: gopher"), "10.0.0.1:5", "http://inner/"},
		{"host that is none", "10.0.0.1:5", fields("X-Forwarded-Host: a b"), "10.0.0.1:5", "http://inner/"},
		{"host with a path", "10.0.0.1:5", fields("X-Forwarded-Host: a/b"), "10.0.0.1:5", "http://inner/"},
	} {
		r := &http.Request{RemoteAddr: tt.remote, Host: "inner", Header: tt.header, URL: &url.URL{Path: "/"}}
		got := behind.Request(r)
		require.Equal(t, tt.addr, got.RemoteAddr, tt.name)
		require.Equal(t, tt.url, got.URL.String(), tt.name)
		require.Equal(t, got.URL.Host, got.Host, tt.name)
		require.Equal(t, "/", r.URL.String(), "r is unchanged")
		require.Equal(t, tt.remote, r.RemoteAddr, "r is unchanged")
	}
}

func TestProxies_RFC7239(t *testing.T) {
	for _, tt := range []struct {
		name, header string
		addr, url    string
	}{
		{"section 4", `for=192.0.2.43`, "192.0.2.43:0", "http://inner/"},
		{"section 4, IPv6", `For="[2001:db8:cafe::17]:4711"`, "[2001:db8:cafe::17]:4711", "http://inner/"},
		{"section 4, all", `for=192.0.2.60;proto=https;by=203.0.113.43;host=outer`, "192.0.2.60:0", "https://outer/"},
		{"section 4, list", `for=192.0.2.43, for=10.0.0.2`, "192.0.2.43:0", "http://inner/"},
		{"the edge says the scheme", `for=192.0.2.43;proto=https;host=outer, for=10.0.0.2;proto=http`, "192.0.2.43:0", "https://outer/"},
		{"quoted", `for="192.0.2.\43";host="outer:80"`, "192.0.2.43:0", "http://outer:80/"},
		{"spaces and empty pairs", `; for=192.0.2.43 ;; proto=https;`, "192.0.2.43:0", "https://inner/"},
		{"section 6.2, unknown", `for=192.0.2.43, for=unknown;proto=https`, "10.0.0.1:5", "https://inner/"},
		{"section 6.3, obfuscated", `for=_hidden`, "10.0.0.1:5", "http://inner/"},
		{"section 6, obfuscated port", `for="192.0.2.43:_x"`, "192.0.2.43:0", "http://inner/"},
		{"comma in quotes", `for=192.0.2.43;x="a,\",b"`, "192.0.2.43:0", "http://inner/"},

		// Members written by the client do not count, even if they are
		// malformed.
		{"client that lies", `for=127.0.0.1;host=victim, for=192.0.2.43`, "192.0.2.43:0", "http://inner/"},
		{"client that opens a quote", `for="127.0.0.1, for=192.0.2.43`, "192.0.2.43:0", "http://inner/"},
		{"client that escapes", `for="\, for=192.0.2.43`, "192.0.2.43:0", "http://inner/"},
		{"client that opens a quote before one", `x=", for="192.0.2.43"`, "192.0.2.43:0", "http://inner/"},

		{"no pair", `192.0.2.43`, "10.0.0.1:5", "http://inner/"},
		{"twice", `for=192.0.2.43;for=192.0.2.44`, "10.0.0.1:5", "http://inner/"},
		{"open quote", `for="192.0.2.43`, "10.0.0.1:5", "http://inner/"},
		{"escape at the end", `for="192.0.2.43\`, "10.0.0.1:5", "http://inner/"},
		{"after a quote", `for="192.0.2.43"x`, "10.0.0.1:5", "http://inner/"},
		{"no token", `for=[2001:db8::1]`, "10.0.0.1:5", "http://inner/"},
		{"no name", `=192.0.2.43`, "10.0.0.1:5", "http://inner/"},
		{"empty", ` `, "10.0.0.1:5", "http://inner/"},
	} {
		r := &http.Request{RemoteAddr: "10.0.0.1:5", Host: "inner", Header: http.Header{"Forwarded": {tt.header}, "X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"https"}}, URL: &url.URL{Path: "/"}}
		if strings.Contains(tt.url, "https") == false {
			r.Header.Del("X-Forwarded-Proto")
		}
		got := standard.Request(r)
		require.Equal(t, tt.addr, got.RemoteAddr, tt.name)
		require.Equal(t, tt.url, got.URL.String(), tt.name)
	}
}

func TestProxiesArguments(t *testing.T) {
	var none *Proxies
	r := &http.Request{RemoteAddr: "10.0.0.1:5"}
	require.Same(t, r, none.Request(r))
	require.Nil(t, behind.Request(nil))
	require.NoError(t, none.Validate())
	require.NoError(t, behind.Validate())
	require.EqualError(t, (&Proxies{Trusted: []netip.Prefix{trusted[0], {}}}).Validate(), "ws: Proxies: Trusted[1] is not a valid prefix")
	mapped := []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}
	require.EqualError(t, (&Proxies{Trusted: mapped}).Validate(),
		"ws: Proxies: Trusted[0] is ::ffff:10.0.0.0/104, which matches no address: write the IPv4 prefix")
	require.Equal(t, "http", behind.Request(r).URL.Scheme, "without a URL")

	// A client cannot choose the scheme, not even with an absolute target.
	r.URL = &url.URL{Scheme: "https", Host: "a.example"}
	r.Host = "b.example"
	require.Equal(t, "http://b.example", behind.Request(r).URL.String())
	r.TLS = new(tls.ConnectionState)
	require.Equal(t, "https://b.example", behind.Request(r).URL.String())
}

// A long list takes time in proportion to the part that counts, and no memory.
func TestProxiesBoundMemory(t *testing.T) {
	long := strings.Repeat("10.0.0.1,", 100_000)
	quotes := strings.Repeat(`\\\"`, 100_000)
	for _, p := range []*Proxies{behind, standard} {
		r := &http.Request{RemoteAddr: "10.0.0.1:5", URL: &url.URL{}, Header: http.Header{
			"X-Forwarded-For": {long}, "X-Forwarded-Host": {quotes}, "Forwarded": {strings.ReplaceAll(long, "10.", "for=10."), quotes},
		}}
		require.LessOrEqual(t, testing.AllocsPerRun(1, func() { p.Request(r) }), 20.0)
	}
}

// For any input of a client, the address is one that a trusted proxy has
// reported.
func FuzzProxies(f *testing.F) {
	for _, s := range []string{"192.0.2.1", `for="x`, `", 1.1.1.1`, `for=127.0.0.1;host="\"`, "a,,b"} {
		f.Add(s, s, s)
	}
	f.Fuzz(func(t *testing.T, client, proto, host string) {
		r := &http.Request{RemoteAddr: "10.0.0.1:5", Host: "inner", URL: &url.URL{}, Header: http.Header{
			"X-Forwarded-For":   {client + ", 192.0.2.1"},
			"X-Forwarded-Proto": {proto + ", https"},
			"X-Forwarded-Host":  {host + ", outer"},
			"Forwarded":         {client + ", for=192.0.2.1;proto=https;host=outer"},
		}}
		for _, p := range []*Proxies{behind, standard} {
			got := p.Request(r)
			require.Equal(t, "192.0.2.1:0", got.RemoteAddr)
			require.Equal(t, "https://outer", got.URL.String())
		}
	})
}
