package ws

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A Dialer is the Transport of an http.Client: the spelling of RFC 6455,
// section 11.3, is on the wire, and Connection is there beside close.
func TestRoundTrip_RFC6455_4_1(t *testing.T) {
	for _, connection := range []string{"Upgrade", "Upgrade, close", "close\r\nConnection: Upgrade"} {
		var sent string
		d := dialTo(t, func(c net.Conn) {
			sent, _ = readRequestText(c)
			answer := strings.Replace(goodAnswer, "Connection: Upgrade", "Connection: "+connection, 1)
			io.WriteString(c, strings.ReplaceAll(answer+"\r\nearly", "ACCEPT", acceptFor(sent)))
			io.WriteString(c, "late")
		})
		d.Protocols = []string{"chat"}
		r, check, err := d.NewRequest(t.Context(), "ws://user:pass@a.example/x?y=ü")
		require.NoError(t, err)
		r.Header.Set("X-Own", "1")
		resp, err := (&http.Client{Transport: d}).Do(r)
		require.NoError(t, err)
		defer resp.Body.Close()
		for _, line := range []string{
			"GET /x?y=%C3%BC HTTP/1.1", "Host: a.example", "Upgrade: websocket", "Connection: Upgrade", "X-Own: 1",
			"Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: chat", "User-Agent: " + userAgent, "Authorization: Basic dXNlcjpwYXNz",
		} {
			require.Contains(t, strings.Split(sent, "\r\n"), line)
		}
		_, err = check(resp, nil)
		require.NoError(t, err, connection)
		require.Equal(t, "101 Switching Protocols", resp.Status)
		conn, received := Detach(resp.Body.(net.Conn), nil)
		require.Equal(t, "early", string(received))
		late, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Equal(t, "late", string(late))
	}
}

func TestRoundTripRefused(t *testing.T) {
	d := dialTo(t, func(c net.Conn) {
		readRequestText(c)
		io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\nbehind")
	})
	d.ReadBufferSize = 1 << 10
	r, check, err := d.NewRequest(t.Context(), "ws://a.example")
	require.NoError(t, err)
	resp, err := d.RoundTrip(r)
	require.NoError(t, err)
	require.Equal(t, r, resp.Request)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "no", string(body))
	require.NoError(t, resp.Body.Close())
	require.NoError(t, resp.Body.Close())
	_, err = check(resp, body)
	refusal, ok := errors.AsType[*ConnectionRejectedError](err)
	require.True(t, ok)
	require.Equal(t, "no", string(refusal.Body()))

	_, err = Dialer{}.RoundTrip(httptest.NewRequest("POST", "http://a.example", strings.NewReader("x")))
	require.ErrorContains(t, err, "no body")
	_, err = Dialer{}.RoundTrip(httptest.NewRequest("GET", "ftp://a.example", nil))
	require.ErrorContains(t, err, "neither ws nor wss")
	never := Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { t.Error("dialed"); return nil, io.EOF }}
	r.Header["X"] = []string{"1\r\nX-Evil: 2"}
	_, err = never.RoundTrip(r)
	require.ErrorContains(t, err, `field "X"`)
}

// The end of the context ends a read of the body of a refusal, and does not
// affect an open connection.
func TestRoundTripAndTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, opens := range []bool{false, true} {
			client, server := net.Pipe()
			go func() {
				sent, _ := readRequestText(server)
				if opens {
					io.WriteString(server, strings.ReplaceAll(goodAnswer+"\r\n", "ACCEPT", acceptFor(sent)))
				} else {
					io.WriteString(server, "HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nno")
				}
				io.Copy(server, server)
				server.Close()
			}()
			d := Dialer{Timeout: -1, NetDial: func(context.Context, string, string) (net.Conn, error) { return client, nil }}
			ctx, cancel := context.WithCancel(t.Context())
			r, _, err := d.NewRequest(ctx, "ws://a.example")
			require.NoError(t, err)
			resp, err := d.RoundTrip(r)
			require.NoError(t, err)
			time.AfterFunc(time.Second, cancel)
			if !opens {
				body, err := io.ReadAll(resp.Body)
				require.Error(t, err)
				require.Equal(t, "no", string(body))
			} else {
				time.Sleep(time.Minute)
				_, err := resp.Body.(net.Conn).Write([]byte("x"))
				require.NoError(t, err)
				_, err = resp.Body.Read(make([]byte, 1))
				require.NoError(t, err)
			}
			resp.Body.Close()
			server.Close()
		}
	})
}

func TestRoundTripTrace(t *testing.T) {
	srv, trust, _ := tlsServer(t)
	var seen []string
	note := func(what string) { seen = append(seen, what) }
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GetConn:              func(addr string) { note("get " + addr) },
		TLSHandshakeStart:    func() { note("TLS start") },
		GotConn:              func(httptrace.GotConnInfo) { note("got") },
		WroteRequest:         func(httptrace.WroteRequestInfo) { note("wrote") },
		GotFirstResponseByte: func() { note("first byte") },
	})
	d := Dialer{TLSConfig: &tls.Config{RootCAs: trust}}
	r, check, err := d.NewRequest(ctx, srv.URL)
	require.NoError(t, err)
	resp, err := d.RoundTrip(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = check(resp, nil)
	require.NoError(t, err)
	require.True(t, resp.TLS.HandshakeComplete)
	require.Equal(t, []string{"get " + srv.Listener.Addr().String(), "TLS start", "got", "wrote", "first byte"}, seen)
}

// stubborn is a connection whose Close does not unblock reads.
type stubborn struct{ net.Conn }

func (stubborn) Close() error { return nil }

func TestDialOverAConnectionThatDoesNotClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer server.Close()
		defer client.Close()
		go io.Copy(io.Discard, server)
		d := Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return stubborn{client}, nil }}
		_, _, _, err := d.Dial(t.Context(), "ws://a.example/")
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// Every function with a context returns an error for nil, and a hook that
// returns nil is an error.
func TestNilArguments(t *testing.T) {
	nilContext := reflect.Zero(reflect.TypeFor[context.Context]())
	found := 0
	for _, f := range []reflect.Value{reflect.ValueOf(Dial)} {
		found += callWithNilContext(t, "Dial", f, nilContext)
	}
	for _, v := range []any{Dialer{}, Upgrader{}, HTTPUpgrader{}} {
		for i := range reflect.TypeOf(v).NumMethod() {
			found += callWithNilContext(t, reflect.TypeOf(v).Method(i).Name, reflect.ValueOf(v).Method(i), nilContext)
		}
	}
	require.Equal(t, 4, found, "Dial, Dialer.Dial, Dialer.Connect, Dialer.NewRequest")
	pipe := func(context.Context, string, string) (net.Conn, error) { c, _ := net.Pipe(); return c, nil }
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, nothing := range []net.Conn{nil, (*tls.Conn)(nil), (*net.TCPConn)(nil), (*unreadConn)(nil)} {
		none := func(context.Context, string, string) (net.Conn, error) { return nothing, nil }
		for want, d := range map[string]Dialer{
			"the dial function returned no connection": {NetDial: none},
			"WrapConn returned no connection":          {NetDial: pipe, WrapConn: func(net.Conn) net.Conn { return nothing }},
			"TLSClient returned no connection":         {NetDial: pipe, TLSClient: func(net.Conn, string) net.Conn { return nothing }},
		} {
			scheme := "ws"
			if d.TLSClient != nil {
				scheme = "wss"
			}
			_, _, _, err := d.Dial(t.Context(), scheme+"://a.example")
			require.ErrorContains(t, err, want)
			_, _, _, err = d.Dial(ended, scheme+"://a.example")
			require.ErrorIs(t, err, context.Canceled)
		}
		_, _, _, err := Dialer{NetDialTLS: none}.Dial(t.Context(), "wss://a.example")
		require.ErrorContains(t, err, "returned no connection")
	}
}

// callWithNilContext calls f if its first argument is a context, with zero
// values, and returns how often.
func callWithNilContext(t *testing.T, name string, f, nilContext reflect.Value) int {
	if f.Type().NumIn() == 0 || f.Type().In(0) != nilContext.Type() {
		return 0
	}
	args := []reflect.Value{nilContext}
	for i := 1; i < f.Type().NumIn(); i++ {
		args = append(args, reflect.Zero(f.Type().In(i)))
	}
	out := f.Call(args)
	err, _ := out[len(out)-1].Interface().(error)
	require.ErrorIs(t, err, errNilContext, name)
	return 1
}

// socksServer is a SOCKS proxy that always connects to target. It requires the
// user and password, unless they are empty.
func socksServer(t *testing.T, target, credentials string) (addr string, asked func() string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	names := make(chan string, 10)
	serve := func(c net.Conn) {
		defer c.Close()
		br := bufio.NewReader(c)
		read := func(n int) []byte {
			p := make([]byte, n)
			io.ReadFull(br, p)
			return p
		}
		methods := read(int(read(2)[1]))
		if credentials != "" {
			if !strings.Contains(string(methods), "\x02") {
				c.Write([]byte{5, 0xff})
				return
			}
			c.Write([]byte{5, 2})
			read(1)
			user := read(int(read(1)[0]))
			if string(user)+":"+string(read(int(read(1)[0]))) != credentials {
				c.Write([]byte{1, 1})
				return
			}
			c.Write([]byte{1, 0})
		} else {
			c.Write([]byte{5, 0})
		}
		read(4)
		names <- string(read(int(read(1)[0])))
		read(2)
		up, err := net.Dial("tcp", target)
		if err != nil {
			c.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
			return
		}
		defer up.Close()
		c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		go func() {
			io.Copy(up, br)
			up.Close()
		}()
		io.Copy(c, up)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return l.Addr().String(), func() string { return <-names }
}

func TestDialThroughSOCKS_RFC1928(t *testing.T) {
	secure, trust, _ := tlsServer(t)
	plain := httptest.NewServer(secure.Config.Handler)
	t.Cleanup(plain.Close)
	for _, tt := range []struct {
		scheme, want, user, target, fault string
	}{
		{"socks5", "", "", "", ""},
		{"socks5h", "", "", "", ""},
		{"socks5", "user:pass", "user:pass@", "", ""},
		{"socks5", "user:pass", "", "", "no acceptable authentication methods"},
		{"socks5", "user:pass", "user:other@", "", "username/password authentication failed"},
		{"socks5", "", "", "127.0.0.1:1", "connection refused"},
	} {
		for _, url := range []string{"ws://a.example/", "wss://example.com/"} {
			target := plain.Listener.Addr().String()
			if strings.HasPrefix(url, "wss") {
				target = secure.Listener.Addr().String()
			}
			if tt.target != "" {
				target = tt.target
			}
			addr, asked := socksServer(t, target, tt.want)
			d := Dialer{TLSConfig: &tls.Config{RootCAs: trust}, Proxy: proxyTo(tt.scheme + "://" + tt.user + addr)}
			conn, _, _, err := d.Dial(t.Context(), url)
			if tt.fault != "" {
				require.ErrorContains(t, err, tt.fault)
				require.ErrorContains(t, err, "proxy "+addr)
				require.NotContains(t, err.Error(), "other")
				continue
			}
			require.NoError(t, err)
			conn.Close()
			require.Contains(t, url, asked(), "the proxy looks the name up")
		}
	}
	require.Equal(t, "p.example:1080", hostPort(&url.URL{Scheme: "socks5", Host: "p.example"}))
}

func proxyTo(s string) func(*http.Request) (*url.URL, error) {
	return func(*http.Request) (*url.URL, error) { return url.Parse(s) }
}

func TestDialThroughSOCKSCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer server.Close()
		go io.Copy(io.Discard, server)
		d := Dialer{Proxy: proxyTo("socks5://p.example"), NetDial: func(_ context.Context, _, addr string) (net.Conn, error) {
			require.Equal(t, "p.example:1080", addr)
			return client, nil
		}}
		_, _, _, err := d.Dial(t.Context(), "ws://a.example/")
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestProxyFromEnvironment(t *testing.T) {
	for _, tt := range []struct {
		env, url, want string
	}{
		{"", "http://a.example", ""},
		{"ALL_PROXY=socks5://p.example:1", "http://a.example", "socks5://p.example:1"},
		{"ALL_PROXY=socks5://p.example:1", "https://a.example", "socks5://p.example:1"},
		{"all_proxy=p.example:1", "https://a.example", "http://p.example:1"},
		{"ALL_PROXY=socks5://p.example HTTP_PROXY=http://q.example", "http://a.example", "http://q.example"},
		{"ALL_PROXY=socks5://p.example HTTP_PROXY=http://q.example", "https://a.example", "socks5://p.example"},
		{"ALL_PROXY=socks5://p.example NO_PROXY=a.example,10.0.0.0/8", "https://a.example", ""},
		{"ALL_PROXY=socks5://p.example NO_PROXY=a.example,10.0.0.0/8", "https://x.a.example:81", ""},
		{"ALL_PROXY=socks5://p.example NO_PROXY=a.example,10.0.0.0/8", "https://10.1.2.3", ""},
		{"ALL_PROXY=socks5://p.example NO_PROXY=a.example,10.0.0.0/8", "https://b.example", "socks5://p.example"},
		{"ALL_PROXY=socks5://p.example no_proxy=*", "https://b.example", ""},
		{"ALL_PROXY=socks5://p.example", "http://localhost:81", ""},
		{"ALL_PROXY=socks5://p.example REQUEST_METHOD=GET", "http://a.example", "socks5://p.example"},
		{"ALL_PROXY=socks5://p.example REQUEST_METHOD=GET", "https://a.example", "socks5://p.example"},
	} {
		for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"} {
			t.Setenv(name, "")
			t.Setenv(strings.ToLower(name), "")
		}
		for v := range strings.FieldsSeq(tt.env) {
			name, value, _ := strings.Cut(v, "=")
			t.Setenv(name, value)
		}
		r, _ := http.NewRequest("GET", tt.url, nil)
		proxy, err := ProxyFromEnvironment(r)
		require.NoError(t, err)
		if tt.want == "" {
			require.Nil(t, proxy, "%+v", tt)
		} else {
			require.Equal(t, tt.want, proxy.String(), "%+v", tt)
		}
	}
}

// A CGI program ignores HTTP_PROXY, which a client can set.
func TestProxyFromEnvironmentOfCGI(t *testing.T) {
	t.Setenv("ALL_PROXY", "socks5://p.example")
	t.Setenv("HTTP_PROXY", "http://q.example")
	t.Setenv("REQUEST_METHOD", "GET")
	r, _ := http.NewRequest("GET", "http://a.example", nil)
	_, err := ProxyFromEnvironment(r)
	require.ErrorContains(t, err, "HTTP_PROXY")
}

// The function that chooses the proxy sees the values of the caller's context.
func TestProxyGetsTheContext(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "mine")
	asked := 0
	d := Dialer{Proxy: func(r *http.Request) (*url.URL, error) {
		asked++
		require.Equal(t, "mine", r.Context().Value(key{}))
		return nil, errors.New("no further")
	}}
	_, _, _, err := d.Dial(ctx, "ws://a.example")
	require.ErrorContains(t, err, "no further")
	r, _, err := d.NewRequest(ctx, "ws://a.example")
	require.NoError(t, err)
	_, err = d.RoundTrip(r)
	require.ErrorContains(t, err, "no further")
	require.Equal(t, 2, asked)
}

// The fields of CONNECT, and the use of NetDialTLS.
func TestDialProxyHeaderAndNetDialTLS(t *testing.T) {
	var sent string
	d := dialTo(t, func(c net.Conn) {
		sent, _ = readRequestText(c)
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		request, _ := readRequestText(c)
		io.WriteString(c, strings.ReplaceAll(goodAnswer+"\r\n", "ACCEPT", acceptFor(request)))
	})
	d.NetDialTLS, d.NetDial = d.NetDial, nil
	d.Proxy = proxyTo("https://u:p@p.example")
	d.ProxyHeader = func(_ context.Context, proxy *url.URL, target string) (http.Header, error) {
		require.Equal(t, "p.example", proxy.Host)
		require.Equal(t, "a.example:80", target)
		return http.Header{"X-B": {"2"}, "X-A": {"1"}, "Proxy-Authorization": {"other"}}, nil
	}
	conn, _, _, err := d.Dial(t.Context(), "ws://a.example/")
	require.NoError(t, err)
	conn.Close()
	require.Equal(t, "CONNECT a.example:80 HTTP/1.1\r\nHost: a.example:80\r\nProxy-Authorization: Basic dTpw\r\nUser-Agent: "+userAgent+"\r\nX-A: 1\r\nX-B: 2\r\n\r\n", sent)

	d = dialTo(t, func(c net.Conn) {
		request, _ := readRequestText(c)
		io.WriteString(c, strings.ReplaceAll(goodAnswer+"\r\n", "ACCEPT", acceptFor(request)))
	})
	d.NetDialTLS, d.NetDial = d.NetDial, nil
	conn, _, _, err = d.Dial(t.Context(), "wss://a.example/")
	require.NoError(t, err, "no TLS on top of it")
	conn.Close()
}
