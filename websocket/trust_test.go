package websocket

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

func TestRequireSubprotocol_RFC6455_4_2_2(t *testing.T) {
	for _, tt := range []struct {
		offers []string
		choose func(*http.Request, []string) (string, error)
		status int
	}{
		{[]string{"x", "v1"}, nil, 101},
		{[]string{"x", "y"}, nil, 400},
		{nil, nil, 400},
		{[]string{"V1"}, nil, 400},
		{[]string{"x"}, func(*http.Request, []string) (string, error) { return "x", nil }, 101},
		{[]string{"x"}, func(*http.Request, []string) (string, error) { return "", nil }, 400},
	} {
		accepted := make(chan error, 1)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := Accept(w, r, &AcceptOptions{Subprotocols: []string{"v2", "v1"}, RequireSubprotocol: true, ChooseSubprotocol: tt.choose})
			accepted <- err
			if err == nil {
				c.CloseNow()
			}
		}))
		c, resp, err := Dial(background, srv.URL, &DialOptions{Subprotocols: tt.offers})
		require.Equal(t, tt.status, resp.StatusCode, "%q", tt.offers)
		if err == nil {
			c.CloseNow()
			require.NoError(t, <-accepted)
		} else {
			body, _ := io.ReadAll(resp.Body)
			require.Equal(t, `ws: handshake needs a subprotocol of the server: ["v2" "v1"]`, string(body))
			require.ErrorIs(t, <-accepted, ws.ErrHandshakeNoSubProtocol)
			require.False(t, Retryable(err))
		}
		srv.Close()
	}
	require.EqualError(t, (&AcceptOptions{RequireSubprotocol: true}).Validate(), "websocket: RequireSubprotocol requires Subprotocols")
	w := httptest.NewRecorder()
	_, err := Accept(w, handshakeRequest(), &AcceptOptions{RequireSubprotocol: true})
	require.ErrorContains(t, err, "RequireSubprotocol requires Subprotocols")
	require.Equal(t, http.StatusInternalServerError, w.Code)
}

// handshakeRequest is a request that is in order.
func handshakeRequest() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host = "inner.example"
	for name, value := range map[string]string{
		"Upgrade": "websocket", "Connection": "Upgrade", "Sec-Websocket-Version": "13", "Sec-Websocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		r.Header.Set(name, value)
	}
	return r
}

// What the browser says of the page comes before what Origin and Host say.
func TestSecFetchSite(t *testing.T) {
	for _, tt := range []struct {
		site   []string
		origin string
		ok     bool
	}{
		{nil, "http://inner.example", true},
		{nil, "http://outer.example", false},
		{[]string{"same-origin"}, "http://outer.example", true}, // a proxy replaces Host
		{[]string{"same-origin"}, "http://inner.example", true},
		{[]string{"same-site"}, "http://inner.example", false}, // of another scheme, behind a proxy that ends TLS
		{[]string{"cross-site"}, "http://inner.example", false},
		{[]string{"cross-site"}, "", false},
		{[]string{"none"}, "http://inner.example", true},
		{[]string{"none"}, "http://outer.example", false},
		{[]string{"none"}, "chrome-extension://x", false},
		{[]string{"same-origin", "cross-site"}, "http://outer.example", false},
		{[]string{""}, "http://inner.example", false},
	} {
		r := handshakeRequest()
		r.Header["Sec-Fetch-Site"] = tt.site
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		require.Equal(t, tt.ok, new(AcceptOptions).checkOrigin(r) == nil, "%+v", tt)
		allowed := &AcceptOptions{OriginPatterns: []string{"outer.example", "inner.example", "chrome-extension://x"}}
		require.Equal(t, tt.ok || tt.origin != "", allowed.checkOrigin(r) == nil, "a pattern authorizes in any case: %+v", tt)
	}
}

// A CrossOriginProtection says of a handshake what it says of a POST.
func TestCrossOrigin(t *testing.T) {
	protection := http.NewCrossOriginProtection()
	require.NoError(t, protection.AddTrustedOrigin("https://app.example"))
	protection.AddInsecureBypassPattern("/open/")
	opts := &AcceptOptions{CrossOrigin: protection, OriginPatterns: []string{"pattern.example"}}
	for _, tt := range []struct {
		path    string
		site    string
		origins []string
		ok      bool
	}{
		{"/", "", nil, true},
		{"/", "", []string{"https://app.example"}, true},
		{"/", "cross-site", []string{"https://app.example"}, true},
		{"/", "", []string{"http://app.example"}, false},
		{"/", "", []string{"https://evil.example"}, false},
		{"/", "cross-site", []string{"https://evil.example"}, false},
		{"/", "cross-site", nil, false},
		{"/", "same-origin", []string{"https://outer.example"}, true},
		{"/", "", []string{"http://inner.example"}, true},
		{"/", "", []string{"https://pattern.example"}, true},
		{"/", "", []string{"https://app.example", "https://evil.example"}, false},
		{"/", "", []string{"null"}, false},
		{"/open/x", "", []string{"https://evil.example"}, true},
	} {
		r := handshakeRequest()
		r.URL = &url.URL{Path: tt.path}
		r.Header["Origin"] = tt.origins
		if tt.site != "" {
			r.Header.Set("Sec-Fetch-Site", tt.site)
		}
		require.NoError(t, protection.Check(r), "it lets every GET pass by itself")
		require.Equal(t, tt.ok, opts.checkOrigin(r) == nil, "%+v", tt)
		require.Equal(t, http.MethodGet, r.Method)
	}
}

// The text of a 403 names the option that would allow it.
func TestForeignOriginNamesTheOption(t *testing.T) {
	for _, tt := range []struct {
		opts  AcceptOptions
		field string
		says  string
	}{
		{AcceptOptions{}, "X", `websocket: origin "https://a.example" is not authorized for host "inner.example": add it to AcceptOptions.OriginPatterns`},
		{AcceptOptions{CrossOrigin: http.NewCrossOriginProtection()}, "X", `websocket: origin "https://a.example" is not authorized for host "inner.example": add it to AcceptOptions.CrossOrigin or OriginPatterns`},
		{AcceptOptions{}, "X-Forwarded-Host", `websocket: origin "https://a.example" is not authorized for host "inner.example": add it to AcceptOptions.OriginPatterns, or add the proxy that sent this to AcceptOptions.Proxies`},
		{AcceptOptions{Proxies: new(ws.Proxies)}, "Forwarded", `websocket: origin "https://a.example" is not authorized for host "inner.example": add it to AcceptOptions.OriginPatterns`},
	} {
		r := handshakeRequest()
		r.Header.Set("Origin", "https://a.example")
		r.Header.Set(tt.field, "b.example")
		w := httptest.NewRecorder()
		_, err := Accept(w, r, &tt.opts)
		require.EqualError(t, err, "websocket: accept: "+tt.says)
		require.Equal(t, http.StatusForbidden, w.Code)
		require.Equal(t, tt.says, w.Body.String())
	}
}

// What a trusted proxy says counts for the origin, for Hosts and for callbacks.
// RemoteAddr is the address that a trusted proxy tells, and that of the transport otherwise.
func TestRemoteAddrBehindProxies(t *testing.T) {
	loopback := &ws.Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	for _, tt := range []struct {
		proxies *ws.Proxies
		want    string
	}{
		{loopback, "192.0.2.7:0"},
		{&ws.Proxies{}, "127.0.0.1:"},
		{nil, "127.0.0.1:"},
	} {
		addrs := make(chan string, 1)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := Accept(w, r, &AcceptOptions{Proxies: tt.proxies})
			if err != nil {
				addrs <- err.Error()
				return
			}
			addrs <- c.RemoteAddr().String()
			c.CloseNow()
		}))
		c, _, err := Dial(t.Context(), srv.URL, &DialOptions{HTTPHeader: http.Header{"X-Forwarded-For": {"192.0.2.7"}}})
		require.NoError(t, err)
		c.CloseNow()
		require.Contains(t, <-addrs, tt.want)
		srv.Close()
	}
}

func TestAcceptBehindProxies(t *testing.T) {
	proxies := &ws.Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	reached := errors.New("the callback was reached")
	for _, tt := range []struct {
		name, remote, origin string
		proxies              *ws.Proxies
		hosts                []string
		tls                  bool
		status               int
		addr                 string
	}{
		{"trusted", "10.0.0.1:1", "https://outer.example", proxies, nil, false, 500, "192.0.2.1:0"},
		{"another origin", "10.0.0.1:1", "https://evil.example", proxies, nil, false, 403, ""},
		{"the page in the clear", "10.0.0.1:1", "http://outer.example", proxies, nil, false, 403, ""},
		{"the host behind it", "10.0.0.1:1", "http://inner.example", proxies, nil, false, 403, ""},
		{"TLS from the proxy, too", "10.0.0.1:1", "http://outer.example", proxies, nil, true, 403, ""},
		{"TLS from the proxy only", "10.0.0.2:1", "http://outer.example", proxies, nil, true, 500, "192.0.2.1:0"},
		{"a stranger", "192.0.2.9:1", "https://outer.example", proxies, nil, false, 403, ""},
		{"a stranger without an origin", "192.0.2.9:1", "", proxies, nil, false, 500, "192.0.2.9:1"},
		{"no option", "10.0.0.1:1", "https://outer.example", nil, nil, false, 403, ""},
		{"hosts", "10.0.0.1:1", "", proxies, []string{"outer.example"}, false, 500, "192.0.2.1:0"},
		{"other hosts", "10.0.0.1:1", "", proxies, []string{"inner.example"}, false, 421, ""},
		{"bad option", "10.0.0.1:1", "", &ws.Proxies{Trusted: make([]netip.Prefix, 1)}, nil, false, 500, ""},
	} {
		r := handshakeRequest()
		r.RemoteAddr = tt.remote
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		if tt.tls {
			r.TLS = new(tls.ConnectionState)
		}
		r.Header.Set("X-Forwarded-For", "192.0.2.1")
		r.Header.Set("X-Forwarded-Proto", map[bool]string{true: "http", false: "https"}[tt.remote == "10.0.0.2:1"])
		r.Header.Set("X-Forwarded-Host", "outer.example")
		addr := ""
		w := httptest.NewRecorder()
		_, err := Accept(w, r, &AcceptOptions{Proxies: tt.proxies, Hosts: tt.hosts, OnHandshake: func(r *http.Request, _ http.Header) error {
			addr = r.RemoteAddr
			return reached
		}})
		require.Equal(t, tt.status, w.Code, "%s: %v", tt.name, err)
		require.Equal(t, tt.addr, addr, tt.name)
		require.Equal(t, tt.addr != "", errors.Is(err, reached), tt.name)
	}
	require.ErrorContains(t, (&AcceptOptions{Proxies: &ws.Proxies{Trusted: make([]netip.Prefix, 1)}}).Validate(), "Trusted[0]")
}
