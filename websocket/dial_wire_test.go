package websocket

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
)

// wired starts a server on bare TCP that hands the head of each request to answer, and sends
// what that returns, in which ACCEPT stands for what belongs to the key. Then it reads until
// the client leaves.
func wired(t *testing.T, answer func(head string) string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				br := bufio.NewReader(conn)
				for {
					head := ""
					for !strings.HasSuffix(head, "\r\n\r\n") {
						line, err := br.ReadString('\n')
						if err != nil {
							return
						}
						head += line
					}
					accept := ""
					if _, rest, ok := strings.Cut(head, "\r\nSec-WebSocket-Key: "); ok {
						key, _, _ := strings.Cut(rest, "\r\n")
						accept = acceptOf(key)
					}
					text := struct{ io.Reader }{strings.NewReader(strings.Replace(answer(head), "ACCEPT", accept, 1))}
					if _, err := io.Copy(struct{ io.Writer }{conn}, text); err != nil { // in pieces
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// acceptOf has package ws say what belongs to a key.
func acceptOf(key string) string {
	client, server := net.Pipe()
	defer client.Close()
	go func() {
		defer server.Close()
		ws.Upgrade(server)
	}()
	go io.WriteString(client, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "+key+"\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil {
		return err.Error()
	}
	return resp.Header.Get("Sec-WebSocket-Accept")
}

const wiredAnswer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n"

// otherTransport is an http.Client whose RoundTripper is not known to Dial.
func otherTransport(t *testing.T) *http.Client {
	tr := new(http.Transport)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: roundTripper(tr.RoundTrip)}
}

// The names of the fields are spelled as in the RFC, on the wire.
func TestDialSpelling_RFC6455_11_3(t *testing.T) {
	for name, client := range map[string]*http.Client{"default": nil, "other RoundTripper": otherTransport(t)} {
		heads := make(chan string, 1)
		addr := wired(t, func(head string) string {
			heads <- head
			return wiredAnswer + "Sec-WebSocket-Protocol: a\r\n\r\n"
		})
		for _, agent := range []string{"wskit/", "me", ""} {
			opts := &DialOptions{HTTPClient: client, Subprotocols: []string{"a"}, CompressionMode: CompressionContextTakeover}
			if agent != "wskit/" {
				opts.HTTPHeader = http.Header{"User-Agent": {agent}}
			}
			c, _, err := Dial(t.Context(), "ws://"+addr+"/ü?q=ü", opts)
			require.NoError(t, err, name)
			c.CloseNow()
			head := <-heads
			require.True(t, strings.HasPrefix(head, "GET /%C3%BC?q=%C3%BC HTTP/1.1\r\n"), head)
			for _, want := range []string{
				"Upgrade: websocket\r\n", "Connection: Upgrade\r\n", "Sec-WebSocket-Key: ", "Sec-WebSocket-Version: 13\r\n",
				"Sec-WebSocket-Protocol: a\r\n", "Sec-WebSocket-Extensions: permessage-deflate",
			} {
				require.Contains(t, head, "\r\n"+want, name)
			}
			require.NotContains(t, head, "Websocket", name)
			require.Equal(t, agent != "", strings.Contains(head, "\r\nUser-Agent: "+agent), name)
			require.Equal(t, agent != "", strings.Contains(head, "User-Agent"), name)
		}
	}
}

func TestDialAnswers_RFC6455_4_1(t *testing.T) {
	for _, tt := range []struct{ name, answer, protocol string }{
		{"Upgrade and close in one list", strings.Replace(wiredAnswer, "Connection: Upgrade", "Connection: Upgrade, close", 1), ""},
		{"Upgrade and close in two fields", wiredAnswer + "Connection: close\r\n", ""},
		{"empty subprotocol", wiredAnswer + "Sec-WebSocket-Protocol:\r\n", ""},
		{"empty subprotocol beside a good one", wiredAnswer + "Sec-WebSocket-Protocol:\r\nSec-WebSocket-Protocol: a\r\n", "a"},
		{"empty extensions", wiredAnswer + "Sec-WebSocket-Extensions:\r\n", ""},
	} {
		addr := wired(t, func(string) string { return tt.answer + "\r\n" })
		c, resp, err := Dial(t.Context(), "ws://"+addr, &DialOptions{Subprotocols: []string{"a"}, CompressionMode: CompressionContextTakeover})
		require.NoError(t, err, tt.name)
		require.Equal(t, tt.protocol, c.Subprotocol())
		require.NotEmpty(t, resp.Header.Values("Connection"))
		c.CloseNow()
	}
	// only close does not upgrade.
	addr := wired(t, func(string) string {
		return strings.Replace(wiredAnswer, "Connection: Upgrade", "Connection: close", 1) + "\r\n"
	})
	_, _, err := Dial(t.Context(), "ws://"+addr, nil)
	require.ErrorIs(t, err, ws.ErrHandshakeBadConnection)
}

// A server that was offered server_no_context_takeover and does not answer it is accepted.
func TestDialServerKeepsItsContext_RFC7692_7_1_1_1(t *testing.T) {
	addr := wired(t, func(string) string { return wiredAnswer + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n" })
	c, _, err := Dial(t.Context(), "ws://"+addr, &DialOptions{CompressionMode: CompressionNoContextTakeover})
	require.NoError(t, err)
	c.CloseNow()
}

// An answer costs no more than its bound, however large it is, and a Transport can change that.
func TestDialAnswerMemory(t *testing.T) {
	large := "HTTP/1.1 101 x\r\n" + strings.Repeat("X: y\r\n", 1_600_000) + "\r\n"
	addr := wired(t, func(string) string { return large })
	dial := func(client *http.Client) error {
		c, _, err := Dial(t.Context(), "ws://"+addr, &DialOptions{HTTPClient: client})
		if err == nil {
			c.CloseNow()
		}
		return err
	}
	require.ErrorIs(t, dial(nil), ws.ErrMalformedResponse)
	if !race.Enabled {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		require.Error(t, dial(nil))
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20)) // the server side also counts
	}

	addr = wired(t, func(string) string {
		return wiredAnswer + strings.Repeat("X: "+strings.Repeat("y", 100)+"\r\n", 200) + "\r\n"
	})
	require.ErrorIs(t, dial(nil), ws.ErrMalformedResponse)
	require.NoError(t, dial(&http.Client{Transport: &http.Transport{MaxResponseHeaderBytes: 1 << 20}}))
}

// ws goes through a proxy by CONNECT, as wss does, and through SOCKS.
func TestDialProxies_RFC6455_4_1(t *testing.T) {
	heads := make(chan string, 2)
	proxy := wired(t, func(head string) string {
		heads <- head
		if strings.HasPrefix(head, "CONNECT ") {
			return "HTTP/1.1 200 OK\r\n\r\n"
		}
		return wiredAnswer + "\r\n"
	})
	proxyURL, _ := url.Parse("http://u:p@" + proxy)
	for name, tr := range map[string]*http.Transport{
		"ProxyConnectHeader": {ProxyConnectHeader: http.Header{"X-A": {"b"}}},
		"GetProxyConnectHeader": {GetProxyConnectHeader: func(_ context.Context, u *url.URL, target string) (http.Header, error) {
			require.Equal(t, proxyURL, u)
			require.Equal(t, "a.example:80", target)
			return http.Header{"X-A": {"b"}}, nil
		}},
	} {
		tr.Proxy = http.ProxyURL(proxyURL)
		c, _, err := Dial(t.Context(), "ws://a.example/x", &DialOptions{HTTPClient: &http.Client{Transport: tr}})
		require.NoError(t, err, name)
		c.CloseNow()
		require.Equal(t, "CONNECT a.example:80 HTTP/1.1\r\nHost: a.example:80\r\nProxy-Authorization: Basic dTpw\r\nUser-Agent: wskit/0.1\r\nX-A: b\r\n\r\n", <-heads, name)
		require.True(t, strings.HasPrefix(<-heads, "GET /x HTTP/1.1\r\nHost: a.example\r\n"))
	}
	_, _, err := Dial(t.Context(), "ws://a.example", &DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{
		Proxy: func(*http.Request) (*url.URL, error) { return nil, io.ErrClosedPipe },
	}}})
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

// ALL_PROXY counts where the Transport asks the environment, and nowhere else.
func TestDialProxyOfTheEnvironment(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	greeted := make(chan byte, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		var version [1]byte
		conn.Read(version[:])
		greeted <- version[0]
	}()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"} {
		t.Setenv(name, "")
		t.Setenv(strings.ToLower(name), "")
	}
	t.Setenv("ALL_PROXY", "socks5://"+l.Addr().String())
	_, _, err = Dial(t.Context(), "ws://a.example", nil)
	require.ErrorContains(t, err, "proxy "+l.Addr().String())
	require.EqualValues(t, 5, <-greeted)

	refused := errors.New("not dialed")
	direct := &http.Transport{DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
		require.Equal(t, "a.example:80", addr)
		return nil, refused
	}}
	_, _, err = Dial(t.Context(), "ws://a.example", &DialOptions{HTTPClient: &http.Client{Transport: direct}})
	require.ErrorIs(t, err, refused)
}

// What a Transport says about dialing and time is done.
func TestDialAsTheTransportSays(t *testing.T) {
	srv := httptest.NewTLSServer(echoing(nil))
	defer srv.Close()
	addr := srv.Listener.Addr().String()
	dialTLS := func(network, _ string) (net.Conn, error) {
		return tls.Dial(network, addr, &tls.Config{InsecureSkipVerify: true})
	}
	for name, tr := range map[string]*http.Transport{
		"DialTLS":        {DialTLS: dialTLS},
		"DialTLSContext": {DialTLSContext: func(_ context.Context, n, a string) (net.Conn, error) { return dialTLS(n, a) }},
		"Dial": {
			Dial:            func(network, _ string) (net.Conn, error) { return net.Dial(network, addr) },
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		},
	} {
		c, resp, err := Dial(t.Context(), "wss://a.example", &DialOptions{HTTPClient: &http.Client{Transport: tr}})
		require.NoError(t, err, name)
		require.True(t, resp.TLS.HandshakeComplete, name)
		requireEcho(t, c)
		c.CloseNow()
	}
}

func TestDialStages(t *testing.T) {
	deaf := func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			io.Copy(io.Discard, server)
			server.Close()
		}()
		return client, nil
	}
	for _, tt := range []struct {
		url, want string
		tr        *http.Transport
	}{
		{"wss://a.example", "the TLS handshake", &http.Transport{DialContext: deaf, TLSHandshakeTimeout: time.Second}},
		{"ws://a.example", "the answer", &http.Transport{DialContext: deaf, ResponseHeaderTimeout: time.Second}},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			_, _, err := Dial(context.Background(), tt.url, &DialOptions{HTTPClient: &http.Client{Transport: tt.tr}})
			require.ErrorContains(t, err, "timeout waiting for "+tt.want)
			var timeout net.Error
			require.ErrorAs(t, err, &timeout)
			require.True(t, timeout.Timeout())
			require.NotErrorIs(t, err, context.Canceled)
			require.Equal(t, time.Second, time.Since(begin))
		})
	}
}

// A function that dials and does not look at its context holds nobody up, and what it makes
// is closed.
func TestDialIsPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		slow := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			time.Sleep(time.Hour)
			return client, nil
		}}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		begin := time.Now()
		_, _, err := Dial(ctx, "ws://a.example", &DialOptions{HTTPClient: &http.Client{Transport: slow}})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(begin))
		_, err = server.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
		require.Equal(t, time.Hour, time.Since(begin))
	})
}

func TestDialNilContext(t *testing.T) {
	var none context.Context
	_, _, err := Dial(none, "ws://a.example", nil)
	require.EqualError(t, err, "websocket: dial: nil Context")
}

// A Transport with a hook that only net/http can call gets the request itself.
func TestDialLeavesAHookToNetHTTP(t *testing.T) {
	proxy := wired(t, func(string) string { return "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n" })
	proxyURL, _ := url.Parse("http://" + proxy)
	refused := fmt.Errorf("seen: %w", os.ErrPermission)
	tr := &http.Transport{
		Proxy: http.ProxyURL(proxyURL),
		OnProxyConnectResponse: func(context.Context, *url.URL, *http.Request, *http.Response) error {
			return refused
		},
	}
	_, _, err := Dial(t.Context(), "wss://a.example", &DialOptions{HTTPClient: &http.Client{Transport: tr}})
	require.ErrorIs(t, err, os.ErrPermission)
}

// What the server sent is cut in every error.
func TestDialErrorsAreCut(t *testing.T) {
	long := strings.Repeat("x", 8000)
	for name, answer := range map[string]string{
		"redirect to a bad scheme": "HTTP/1.1 302 Found\r\nLocation: ftp://" + long + "/\r\nContent-Length: 0\r\n\r\n",
		"redirect to no URL":       "HTTP/1.1 302 Found\r\nLocation: http://%zz" + long + "/\r\nContent-Length: 0\r\n\r\n",
		"Content-Length":           "HTTP/1.1 403 Forbidden\r\nContent-Length: " + long + "\r\n\r\n",
		"reason":                   "HTTP/1.1 403 " + long + "\r\nContent-Length: 0\r\n\r\n",
		"status line":              long + "\r\n\r\n",
		"accept":                   wiredAnswer + "Sec-WebSocket-Accept: " + long + "\r\n\r\n",
		"parameter":                wiredAnswer + "Sec-WebSocket-Extensions: permessage-deflate; " + long + "\r\n\r\n",
	} {
		addr := wired(t, func(string) string { return answer })
		for _, client := range []*http.Client{nil, otherTransport(t)} {
			_, _, err := Dial(t.Context(), "ws://"+addr, &DialOptions{HTTPClient: client, CompressionMode: CompressionContextTakeover})
			require.Error(t, err, name)
			require.Less(t, len(err.Error()), 1200, name)
		}
	}
}
