package ws

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/internal/race"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// fakeServer is the server end of a connection: it reads a request and then
// sends answer, in which ACCEPT is replaced by the correct
// Sec-WebSocket-Accept.
type fakeServer struct {
	answer  string
	request bytes.Buffer
	out     io.Reader
	written int
}

func (s *fakeServer) Write(p []byte) (int, error) {
	s.written++
	return s.request.Write(p)
}

func (s *fakeServer) Read(p []byte) (int, error) {
	if s.out == nil {
		s.out = strings.NewReader(strings.ReplaceAll(s.answer, "ACCEPT", acceptFor(s.request.String())))
	}
	return s.out.Read(p)
}

var keyLine = regexp.MustCompile(`\r\nSec-WebSocket-Key: (.{24})\r\n`)

func acceptFor(request string) string {
	found := keyLine.FindStringSubmatch(request)
	if found == nil {
		return "no key in the request"
	}
	return string(appendAccept(nil, []byte(found[1])))
}

const goodAnswer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n"

func target(t testing.TB, s string) *url.URL {
	u, err := parseURL(s)
	require.NoError(t, err)
	return u
}

func TestDialerRequest_RFC6455_4_1(t *testing.T) {
	for _, tt := range []struct {
		url, line, host string
		with            Dialer
		more            []string
		agent           bool // says its User-Agent itself
	}{
		{"ws://a.example", "GET / HTTP/1.1", "a.example", Dialer{}, nil, false},
		{"ws://a.example:80/chat", "GET /chat HTTP/1.1", "a.example", Dialer{}, nil, false},
		{"ws://a.example:443/", "GET / HTTP/1.1", "a.example:443", Dialer{}, nil, false},
		{"wss://a.example:443/", "GET / HTTP/1.1", "a.example", Dialer{}, nil, false},
		{"wss://a.example:80/", "GET / HTTP/1.1", "a.example:80", Dialer{}, nil, false},
		{"http://a.example:8080/", "GET / HTTP/1.1", "a.example:8080", Dialer{}, nil, false},
		{"ws://a.example:/?", "GET /? HTTP/1.1", "a.example", Dialer{}, nil, false},
		{"ws://127.0.0.1:81/a%20b?c=d&e", "GET /a%20b?c=d&e HTTP/1.1", "127.0.0.1:81", Dialer{}, nil, false},
		{"ws://[::1]", "GET / HTTP/1.1", "[::1]", Dialer{}, nil, false},
		{"ws://[::1]:81", "GET / HTTP/1.1", "[::1]:81", Dialer{}, nil, false},
		{"ws://[fe80::1%25eth0]:81", "GET / HTTP/1.1", "[fe80::1]:81", Dialer{}, nil, false},
		{"ws://a.example./", "GET / HTTP/1.1", "a.example.", Dialer{}, nil, false},
		{"ws://a.example/", "GET / HTTP/1.1", "b.example", Dialer{Host: "b.example"}, nil, false},
		{"ws://user:pass@a.example/", "GET / HTTP/1.1", "a.example", Dialer{}, []string{"Authorization: Basic dXNlcjpwYXNz"}, false},
		{"ws://user:pass@a.example/", "GET / HTTP/1.1", "a.example",
			Dialer{Header: HandshakeHeaderHTTP{"Authorization": {"Bearer x"}}}, []string{"Authorization: Bearer x"}, false},
		{"ws://a.example/", "GET / HTTP/1.1", "a.example", Dialer{
			Protocols:  []string{"chat", "wamp"},
			Extensions: []httphead.Option{httphead.NewOption("x", map[string]string{"y": "12"}), httphead.NewOption("z", nil)},
			Header:     HandshakeHeaderString("X-A: b\r\nX-A: c\r\n"),
		}, []string{"Sec-WebSocket-Protocol: chat, wamp", "Sec-WebSocket-Extensions: x; y=12, z", "X-A: b", "X-A: c"}, false},
		{"ws://a.example/", "GET / HTTP/1.1", "a.example", Dialer{Header: HandshakeHeaderString("user-agent: me\r\n")}, []string{"user-agent: me"}, true},
		{"ws://a.example/", "GET / HTTP/1.1", "a.example", Dialer{Header: HandshakeHeaderString("X-A: b\r\nUser-Agent:\r\nX-B: c\r\n")}, []string{"X-A: b", "X-B: c"}, true},
		{"ws://a.example/ü?q=ü d", "GET /%C3%BC?q=%C3%BC%20d HTTP/1.1", "a.example", Dialer{}, nil, false},
	} {
		t.Run(tt.url, func(t *testing.T) {
			srv := &fakeServer{answer: goodAnswer + "\r\n"}
			br, _, err := tt.with.Upgrade(srv, target(t, tt.url))
			require.NoError(t, err)
			require.Nil(t, br)
			require.Equal(t, 1, srv.written, "one Write")
			lines := strings.Split(strings.TrimSuffix(srv.request.String(), "\r\n\r\n"), "\r\n")
			require.Equal(t, tt.line, lines[0])
			require.Contains(t, lines, "Host: "+tt.host)
			for _, field := range append(tt.more, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13") {
				require.Contains(t, lines, field)
			}
			n := 6 + len(tt.more)
			if !tt.agent {
				require.Contains(t, lines, "User-Agent: "+userAgent)
				n++
			}
			require.Len(t, lines, n)

			conn := scripted(srv.request.String())
			_, err = Upgrade(conn)
			require.NoError(t, err, "our own server takes it")
		})
	}
}

func TestDialerRefusesBadRequests(t *testing.T) {
	ctx := context.Background()
	never := Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("dialled although the URL is bad")
	}}
	for _, u := range []string{"", "a.example", "ftp://a.example", "ws://", "ws:a.example", "ws:///path", "ws://a.example/#x", "ws://a.example/#", "ws://a b/", "ws://a.example:x/", "ws://bücher.example/", "ws://x\"y<z>/", "ws://[[[/", "ws://u:secret@ho st/"} {
		_, _, _, err := never.Dial(ctx, u)
		require.ErrorContains(t, err, "ws: dial", "%q", u)
		require.NotContains(t, err.Error(), "dialled", "%q", u)
		require.NotContains(t, err.Error(), "secret")
	}
	for name, d := range map[string]Dialer{
		"host beyond ASCII":    {Host: "müller.example"},
		"host with line end":   {Host: "a\r\nX: b"},
		"protocol twice":       {Protocols: []string{"a", "a"}},
		"protocol no token":    {Protocols: []string{"a b"}},
		"protocol empty":       {Protocols: []string{""}},
		"extension no token":   {Extensions: []httphead.Option{httphead.NewOption("a b", nil)}},
		"parameter no token":   {Extensions: []httphead.Option{httphead.NewOption("a", map[string]string{"b": "c d"})}},
		"header splits a line": {Header: HandshakeHeaderHTTP{"X-A": {"b\r\nX-Evil: c"}}},
		"header sets Host":     {Header: HandshakeHeaderString("Host: b.example\r\n")},
		"header sets key":      {Header: HandshakeHeaderString("Sec-WebSocket-Key: x\r\n")},
		"header announces":     {Header: HandshakeHeaderString("Content-Length: 3\r\n")},
	} {
		srv := &fakeServer{}
		_, _, err := d.Upgrade(srv, target(t, "ws://a.example/"))
		require.Error(t, err, name)
		require.Zero(t, srv.written, "%s: nothing is sent", name)
	}
}

// Responses that a client must refuse by section 4.1.
func TestDialerAnswers_RFC6455_4_1(t *testing.T) {
	answer := func(change ...string) string {
		sent := []string{"Host", "-", "Sec-WebSocket-Key", "-", "Sec-WebSocket-Version", "-", "Sec-WebSocket-Accept", "ACCEPT"}
		return request("HTTP/1.1 101 Switching Protocols", append(sent, change...)...)
	}
	offer := Dialer{Protocols: []string{"chat", "wamp"}, Extensions: []httphead.Option{httphead.NewOption("x", nil), httphead.NewOption("y", nil)}}
	for _, tt := range []struct {
		name, answer string
		err          error
	}{
		{"in order", answer(), nil},
		{"any case", answer("Upgrade", "WebSocket", "Connection", "keep-alive, upgrade"), nil},
		{"other reason phrase", strings.Replace(answer(), "Switching Protocols", "Web Socket Protocol Handshake", 1), nil},
		{"interim answers first", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + answer(), nil},
		{"subprotocol", answer("Sec-WebSocket-Protocol", "wamp"), nil},
		{"extension", answer("Sec-WebSocket-Extensions", "y; a=b"), nil},
		{"Upgrade and close in one list", answer("Connection", "Upgrade, close"), nil},
		{"Upgrade and close in two fields", answer("connection", "close"), nil},
		{"empty subprotocol", answer("Sec-WebSocket-Protocol", ""), nil},
		{"empty subprotocol beside a good one", answer("Sec-WebSocket-Protocol", "wamp", "sec-websocket-protocol", ""), nil},
		{"empty extensions", answer("Sec-WebSocket-Extensions", ""), nil},
		{"empty extensions beside good ones", answer("Sec-WebSocket-Extensions", "", "sec-websocket-extensions", "y"), nil},
		{"32 parameters", answer("Sec-WebSocket-Extensions", "y"+strings.Repeat(";a", 32)), nil},
		{"33 parameters", answer("Sec-WebSocket-Extensions", "y"+strings.Repeat(";a", 33)), ErrHandshakeBadExtensions},
		{"both extensions", answer("Sec-WebSocket-Extensions", "y", "sec-websocket-extensions", "x"), nil},

		{"HTTP/1.0", strings.Replace(answer(), "HTTP/1.1", "HTTP/1.0", 1), ErrHandshakeBadProtocol},
		{"Upgrade twice", answer("upgrade", "websocket"), ErrHandshakeBadUpgrade},
		{"extension value no token", answer("Sec-WebSocket-Extensions", `y; a="b c"`), ErrHandshakeBadExtensions},
		{"extension value empty", answer("Sec-WebSocket-Extensions", `y; a=""`), ErrHandshakeBadExtensions},
		{"no Upgrade", answer("Upgrade", "-"), ErrHandshakeBadUpgrade},
		{"other Upgrade", answer("Upgrade", "h2c"), ErrHandshakeBadUpgrade},
		{"no Connection", answer("Connection", "-"), ErrHandshakeBadConnection},
		{"other Connection", answer("Connection", "close"), ErrHandshakeBadConnection},
		{"no accept", answer("Sec-WebSocket-Accept", "-"), ErrHandshakeBadSecAccept},
		{"wrong accept", answer("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), ErrHandshakeBadSecAccept},
		{"accept twice", answer("sec-websocket-accept", "ACCEPT"), ErrHandshakeBadSecAccept},
		{"extension not offered", answer("Sec-WebSocket-Extensions", "z"), ErrHandshakeBadExtensions},
		{"extension twice", answer("Sec-WebSocket-Extensions", "x, x"), ErrHandshakeBadExtensions},
		{"extensions malformed", answer("Sec-WebSocket-Extensions", "x;"), ErrHandshakeBadExtensions},
		{"subprotocol not offered", answer("Sec-WebSocket-Protocol", "mqtt"), ErrHandshakeBadSubProtocol},
		{"subprotocol in other case", answer("Sec-WebSocket-Protocol", "WAMP"), ErrHandshakeBadSubProtocol},
		{"two subprotocols", answer("Sec-WebSocket-Protocol", "chat, wamp"), ErrHandshakeBadSubProtocol},
		{"subprotocol twice", answer("Sec-WebSocket-Protocol", "chat", "sec-websocket-protocol", "chat"), ErrHandshakeBadSubProtocol},
		{"not HTTP", "SSH-2.0-OpenSSH_9.2\r\n", ErrMalformedResponse},
		{"bare LF", strings.ReplaceAll(answer(), "\r\n", "\n"), ErrMalformedResponse},
		{"HTTP/2.0", strings.Replace(answer(), "HTTP/1.1", "HTTP/2.0", 1), ErrMalformedResponse},
		{"HTTP/2.0 says which", strings.Replace(answer(), "HTTP/1.1", "HTTP/2.0", 1), ErrHandshakeBadProtocol},
		{"endless head", "HTTP/1.1 101 x\r\n" + strings.Repeat("X-A: b\r\n", 10_000), ErrMalformedResponse},
		{"interim answers without end", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100), ErrMalformedResponse},
		{"nothing", "", io.ErrUnexpectedEOF},
		{"ends early", "HTTP/1.1 101 Switching Protocols\r\nUpgr", io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			br, hs, err := offer.Upgrade(&fakeServer{answer: tt.answer}, target(t, "ws://a.example/"))
			if tt.err == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, tt.err)
			require.Nil(t, br)
			require.Zero(t, hs)
			var refusal *ConnectionRejectedError
			require.False(t, errors.As(err, &refusal), "it was the client that refused")
		})
	}
	_, hs, err := offer.Upgrade(&fakeServer{answer: answer("Sec-WebSocket-Extensions", "y; a=b, x", "Sec-WebSocket-Protocol", "wamp")}, target(t, "ws://a.example/"))
	require.NoError(t, err)
	require.Equal(t, "wamp", hs.Protocol)
	require.Len(t, hs.Extensions, 2)
	value, _ := hs.Extensions[0].Parameters.Get("a")
	require.Equal(t, "b", string(value))
}

// A server without an answer gets nothing.
func TestDialerWithoutOffersAcceptsNone(t *testing.T) {
	_, _, err := Dialer{}.Upgrade(&fakeServer{answer: goodAnswer + "Sec-WebSocket-Protocol: chat\r\n\r\n"}, target(t, "ws://a.example/"))
	require.ErrorIs(t, err, ErrHandshakeBadSubProtocol)
	_, _, err = Dialer{}.Upgrade(&fakeServer{answer: goodAnswer + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"}, target(t, "ws://a.example/"))
	require.ErrorIs(t, err, ErrHandshakeBadExtensions)
}

func TestDialerRejected(t *testing.T) {
	const body = `{"error":"no"}`
	for name, answer := range map[string]string{
		"length":  "HTTP/1.1 403 Forbidden\r\nX-Why: because\r\nContent-Length: 14\r\n\r\n" + body,
		"chunked": "HTTP/1.1 403 Forbidden\r\nX-Why: because\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"err\r\n9\r\nor\":\"no\"}\r\n0\r\n\r\n",
		"to end":  "HTTP/1.1 403 Forbidden\r\nX-Why: because\r\nConnection: close\r\n\r\n" + body,
	} {
		_, _, err := Dialer{}.Upgrade(&fakeServer{answer: answer}, target(t, "ws://a.example/"))
		var refusal *ConnectionRejectedError
		require.ErrorAs(t, err, &refusal, name)
		require.Equal(t, 403, refusal.StatusCode())
		require.Equal(t, body, string(refusal.Body()), name)
		require.Equal(t, "because", refusal.Header().Get("X-Why"))
		var status StatusError
		require.ErrorAs(t, err, &status)
		require.Equal(t, StatusError(403), status)
		require.ErrorIs(t, err, ErrHandshakeBadStatus)
		require.Contains(t, err.Error(), "403 Forbidden")

		var seen string
		d := Dialer{OnStatusError: func(status int, reason []byte, resp io.Reader) {
			r, err := http.ReadResponse(bufio.NewReader(resp), nil)
			require.NoError(t, err)
			b, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			seen = fmt.Sprint(status, string(reason), r.Header.Get("X-Why"), string(b))
		}}
		_, _, err = d.Upgrade(&fakeServer{answer: answer}, target(t, "ws://a.example/"))
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, "403Forbiddenbecause"+body, seen, name)
	}
	// Only the first bytes of an endless body are read.
	_, _, err := Dialer{}.Upgrade(&fakeServer{answer: "HTTP/1.1 500 x\r\n\r\n" + strings.Repeat("x", 1<<20)}, target(t, "ws://a.example/"))
	var refusal *ConnectionRejectedError
	require.ErrorAs(t, err, &refusal)
	require.Positive(t, len(refusal.Body()))
	require.LessOrEqual(t, len(refusal.Body()), MaxRefusalBody)
	// A redirect is treated like any other refusal.
	_, _, err = Dialer{}.Upgrade(&fakeServer{answer: "HTTP/1.1 302 Found\r\nLocation: ws://b.example/\r\nContent-Length: 0\r\n\r\n"}, target(t, "ws://a.example/"))
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, "ws://b.example/", refusal.Header().Get("Location"))
}

func TestDialerOnHeader(t *testing.T) {
	var seen []string
	refuse := errors.New("refused")
	d := Dialer{OnHeader: func(k, v []byte) error {
		seen = append(seen, string(k)+"="+string(v))
		if string(k) == "X-Bad" {
			return refuse
		}
		return nil
	}}
	_, _, err := d.Upgrade(&fakeServer{answer: goodAnswer + "server: x\r\nSET-COOKIE: a=b\r\n\r\n"}, target(t, "ws://a.example/"))
	require.NoError(t, err)
	require.Equal(t, []string{"Server=x", "Set-Cookie=a=b"}, seen)
	_, _, err = d.Upgrade(&fakeServer{answer: goodAnswer + "X-Bad: x\r\n\r\n"}, target(t, "ws://a.example/"))
	require.ErrorIs(t, err, refuse)
}

// dialTo returns a Dialer whose connections lead to handle, in a goroutine of
// its own that the test waits for.
func dialTo(t *testing.T, handle func(net.Conn)) Dialer {
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	return Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer close(done)
			defer server.Close()
			handle(server)
		}()
		return client, nil
	}}
}

// Three frames in one write with the response arrive through the connection,
// and through the reader.
func TestDialYieldsWhatCameBehindTheAnswer(t *testing.T) {
	var frames []byte
	for _, s := range []string{"one", "two", "three"} {
		frames = AppendFrame(frames, NewTextFrame([]byte(s)))
	}
	late := AppendFrame(nil, NewTextFrame([]byte("late")))
	server := func(conn net.Conn) {
		req, err := readRequestText(conn)
		if err != nil {
			return
		}
		io.WriteString(conn, strings.ReplaceAll(goodAnswer+"\r\n", "ACCEPT", acceptFor(req))+string(frames))
		conn.Write(late)
	}
	for name, from := range map[string]func(net.Conn, *bufio.Reader, int) io.Reader{
		"connection alone":     func(c net.Conn, _ *bufio.Reader, _ int) io.Reader { return c },
		"reader":               func(_ net.Conn, br *bufio.Reader, _ int) io.Reader { return br },
		"reader, then put":     func(c net.Conn, br *bufio.Reader, i int) io.Reader { return firstFrom(c, br, i, 1) },
		"reader, drained, put": func(c net.Conn, br *bufio.Reader, i int) io.Reader { return firstFrom(c, br, i, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			conn, br, _, err := dialTo(t, server).Dial(context.Background(), "ws://a.example/")
			require.NoError(t, err)
			defer conn.Close()
			require.NotNil(t, br)
			for i, want := range []string{"one", "two", "three", "late"} {
				f, err := ReadFrame(from(conn, br, i))
				require.NoError(t, err)
				require.Equal(t, want, string(f.Payload))
			}
			require.NotNil(t, conn.(interface{ NetConn() net.Conn }).NetConn())
		})
	}
}

// firstFrom reads the first n frames from br, and the others from the
// connection.
func firstFrom(c net.Conn, br *bufio.Reader, i, n int) io.Reader {
	if i < n {
		return br
	}
	PutReader(br)
	return c
}

func readRequestText(conn net.Conn) (string, error) {
	var b []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(b, []byte("\r\n\r\n")) {
		if _, err := io.ReadFull(conn, one); err != nil {
			return "", err
		}
		b = append(b, one[0])
	}
	return string(b), nil
}

// closeNoting records whether a connection was closed.
type closeNoting struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

func noteClose(c net.Conn) *closeNoting {
	return &closeNoting{Conn: c, closed: make(chan struct{})}
}

func (c *closeNoting) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// The end of the context at any step, and the timeout, leave no goroutine and
// no connection.
func TestDialCancelledAtEachStep(t *testing.T) {
	cause := errors.New("the user left")
	stuck := func(conn net.Conn) { io.Copy(io.Discard, conn) }
	tlsHello := func(conn net.Conn) {
		conn.Read(make([]byte, 5)) // the client's hello, and no answer
		io.Copy(io.Discard, conn)
	}
	halfAnswer := func(conn net.Conn) {
		readRequestText(conn)
		io.WriteString(conn, "HTTP/1.1 101 Swit")
		io.Copy(io.Discard, conn)
	}
	connectOnly := func(conn net.Conn) {
		readRequestText(conn)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		io.Copy(io.Discard, conn)
	}
	deaf := func(conn net.Conn) { <-time.After(time.Hour) }
	proxy := func(*http.Request) (*url.URL, error) { return url.Parse("http://proxy.example:3128") }
	for name, tt := range map[string]struct {
		url    string
		handle func(net.Conn)
		proxy  func(*http.Request) (*url.URL, error)
	}{
		"request not read":    {"ws://a.example/", deaf, nil},
		"no answer":           {"ws://a.example/", stuck, nil},
		"half an answer":      {"ws://a.example/", halfAnswer, nil},
		"TLS not answered":    {"wss://a.example/", tlsHello, nil},
		"CONNECT not read":    {"ws://a.example/", deaf, proxy},
		"CONNECT no answer":   {"ws://a.example/", stuck, proxy},
		"CONNECT and no more": {"wss://a.example/", connectOnly, proxy},
		"tunnel, no answer":   {"ws://a.example/", connectOnly, proxy},
	} {
		for _, way := range []string{"cancel", "cancel with cause", "deadline", "timeout"} {
			t.Run(name+"/"+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					d := Dialer{Proxy: tt.proxy, Timeout: -1}
					want := []error{context.Canceled}
					switch way {
					case "cancel":
						time.AfterFunc(time.Second, func() { cancel(nil) })
					case "cancel with cause":
						time.AfterFunc(time.Second, func() { cancel(cause) })
						want = append(want, cause)
					case "deadline":
						var stop context.CancelFunc
						ctx, stop = context.WithTimeout(ctx, time.Second)
						defer stop()
						want = []error{context.DeadlineExceeded}
					case "timeout":
						d.Timeout = time.Second
						want = []error{context.DeadlineExceeded}
					}
					client, server := net.Pipe()
					noting := noteClose(client)
					d.NetDial = func(context.Context, string, string) (net.Conn, error) { return noting, nil }
					go func() {
						defer server.Close()
						tt.handle(server)
					}()
					began := time.Now()
					conn, br, _, err := d.Dial(ctx, tt.url)
					require.Nil(t, conn)
					require.Nil(t, br)
					for _, w := range want {
						require.ErrorIs(t, err, w)
					}
					require.Equal(t, time.Second, time.Since(began))
					<-noting.closed
					if tt.url[:2] == "ws" && strings.Contains(name, "not read") {
						time.Sleep(time.Hour) // the deaf server leaves
					}
				})
			})
		}
	}
}

func TestDialDefaultTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer server.Close()
		go io.Copy(io.Discard, server)
		d := Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return client, nil }}
		began := time.Now()
		_, _, _, err := d.Dial(context.Background(), "ws://a.example/")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, DefaultHandshakeTimeout, time.Since(began))
	})
}

// A context that has ended gets no connection, and one that ends later does not
// affect the connection.
func TestDialAndTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, _, err := UpgradeHTTP(r, w)
		if err != nil {
			return
		}
		defer conn.Close()
		if f, err := ReadFrame(conn); err == nil {
			WriteFrame(conn, UnmaskFrameInPlace(f))
		}
	}))
	defer srv.Close()
	conn, _, _, err := Dial(ctx, srv.URL)
	require.NoError(t, err)
	defer conn.Close()
	cancel()
	require.NoError(t, WriteFrame(conn, MaskFrame(NewTextFrame([]byte("still here")))))
	f, err := ReadFrame(conn)
	require.NoError(t, err)
	require.Equal(t, "still here", string(f.Payload))

	_, _, _, err = Dial(ctx, srv.URL)
	require.ErrorIs(t, err, context.Canceled)
}

func TestDialClosesOnEveryFault(t *testing.T) {
	for name, d := range map[string]Dialer{
		"rejected": dialTo(t, func(c net.Conn) {
			readRequestText(c)
			io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
		}),
		"malformed": dialTo(t, func(c net.Conn) { readRequestText(c); io.WriteString(c, "what?\r\n\r\n") }),
		"gone":      dialTo(t, func(c net.Conn) {}),
	} {
		var noting *closeNoting
		inner := d.NetDial
		d.NetDial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := inner(ctx, network, addr)
			noting = noteClose(c)
			return noting, err
		}
		var wrapped *closeNoting
		d.WrapConn = func(c net.Conn) net.Conn {
			wrapped = noteClose(c)
			return wrapped
		}
		_, _, _, err := d.Dial(context.Background(), "ws://a.example/")
		require.ErrorContains(t, err, "ws: dial a.example:", name)
		<-noting.closed
		<-wrapped.closed
	}
	d := Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return nil, errWrite }}
	_, _, _, err := d.Dial(context.Background(), "ws://a.example/")
	require.ErrorIs(t, err, errWrite)
}

// tlsServer starts a server with a certificate for example.com, 127.0.0.1 and
// ::1. hello returns the ClientHello of the next client.
func tlsServer(t *testing.T, protocols ...string) (srv *httptest.Server, trust *x509.CertPool, hello func() *tls.ClientHelloInfo) {
	hellos := make(chan *tls.ClientHelloInfo, 10)
	srv = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, _, _, err := UpgradeHTTP(r, w); err == nil {
			conn.Close()
		}
	}))
	srv.EnableHTTP2 = len(protocols) > 0
	srv.TLS = &tls.Config{NextProtos: protocols, GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		hellos <- h
		return nil, nil
	}}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	trust = x509.NewCertPool()
	trust.AddCert(srv.Certificate())
	return srv, trust, func() *tls.ClientHelloInfo { return <-hellos }
}

func TestDialTLS(t *testing.T) {
	srv, trust, hello := tlsServer(t, "h2", "http/1.1")
	addr := srv.Listener.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	shared := &tls.Config{RootCAs: trust, NextProtos: []string{"h2", "http/1.1"}}
	for _, tt := range []struct{ host, sni string }{
		{"example.com", "example.com"},
		{"example.com.", "example.com"},
		{"example.com:" + port, "example.com"},
		{"127.0.0.1:" + port, ""},
		{"[::1]:" + port, ""},
		{"[::1%25lo]:" + port, ""},
	} {
		var dialled string
		d := Dialer{TLSConfig: shared, NetDial: func(ctx context.Context, network, a string) (net.Conn, error) {
			dialled = a
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}}
		conn, _, _, err := d.Dial(context.Background(), "wss://"+tt.host+"/")
		require.NoError(t, err, tt.host)
		conn.Close()
		h := hello()
		require.Equal(t, tt.sni, h.ServerName, "SNI for %s", tt.host)
		require.Equal(t, []string{"http/1.1"}, h.SupportedProtos, "ALPN")
		want, _ := url.Parse("wss://" + tt.host)
		require.Equal(t, hostPort(want), dialled)
	}
	require.Empty(t, shared.ServerName, "a shared config is not written to")
	require.Equal(t, []string{"h2", "http/1.1"}, shared.NextProtos)

	_, _, _, err := Dialer{NetDial: func(ctx context.Context, n, a string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}}.Dial(context.Background(), "wss://example.com/")
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown)
	hello()

	var named string
	d := Dialer{TLSClient: func(c net.Conn, hostname string) net.Conn {
		named = hostname
		return tls.Client(c, &tls.Config{RootCAs: trust, ServerName: hostname})
	}, NetDial: func(ctx context.Context, n, a string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}}
	conn, _, _, err := d.Dial(context.Background(), "wss://example.com/")
	require.NoError(t, err)
	conn.Close()
	require.Equal(t, "example.com", named)
}

// proxyServer is a proxy that supports only CONNECT.
func proxyServer(t *testing.T, secure bool, target string) (proxy *httptest.Server, seen func() (line, auth string)) {
	type connect struct{ line, auth string }
	requests := make(chan connect, 1)
	proxy = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- connect{r.Method + " " + r.RequestURI + " " + r.Host, r.Header.Get("Proxy-Authorization")}
		if r.Header.Get("Proxy-Authorization") == "" {
			w.Header().Set("Proxy-Authenticate", "Basic")
			http.Error(w, "who are you?", http.StatusProxyAuthRequired)
			return
		}
		up, err := net.Dial("tcp", target)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer up.Close()
		down, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer down.Close()
		io.WriteString(down, "HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
		go func() {
			io.Copy(up, rw)
			up.Close()
		}()
		io.Copy(down, up)
	}))
	if secure {
		proxy.StartTLS()
	} else {
		proxy.Start()
	}
	t.Cleanup(proxy.Close)
	return proxy, func() (string, string) { c := <-requests; return c.line, c.auth }
}

func TestDialThroughProxies(t *testing.T) {
	srv, trust, _ := tlsServer(t)
	plain := httptest.NewServer(srv.Config.Handler)
	t.Cleanup(plain.Close)
	for _, secureProxy := range []bool{false, true} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("proxy TLS %t, server TLS %t", secureProxy, secure), func(t *testing.T) {
				scheme, behind, port := "ws", plain.Listener.Addr().String(), "80"
				if secure {
					scheme, behind, port = "wss", srv.Listener.Addr().String(), "443"
				}
				proxy, seen := proxyServer(t, secureProxy, behind)
				if secureProxy {
					trust.AddCert(proxy.Certificate())
				}
				proxyURL, _ := url.Parse(proxy.URL)
				d := Dialer{TLSConfig: &tls.Config{RootCAs: trust}, Proxy: func(r *http.Request) (*url.URL, error) {
					require.Equal(t, map[bool]string{false: "http", true: "https"}[secure], r.URL.Scheme)
					return proxyURL, nil
				}}
				_, _, _, err := d.Dial(context.Background(), scheme+"://example.com/")
				var refusal *ConnectionRejectedError
				require.ErrorAs(t, err, &refusal)
				require.Equal(t, 407, refusal.StatusCode())
				require.Equal(t, "Basic", refusal.Header().Get("Proxy-Authenticate"))
				require.Contains(t, string(refusal.Body()), "who are you?")
				require.ErrorContains(t, err, "proxy")
				seen()

				proxyURL.User = url.UserPassword("user", "pass")
				conn, _, _, err := d.Dial(context.Background(), scheme+"://example.com/")
				require.NoError(t, err)
				conn.Close()
				line, auth := seen()
				require.Equal(t, "CONNECT example.com:"+port+" example.com:"+port, line)
				require.Equal(t, "Basic dXNlcjpwYXNz", auth)
			})
		}
	}
	for name, d := range map[string]Dialer{
		"unsupported scheme": {Proxy: func(*http.Request) (*url.URL, error) { return url.Parse("socks4://p.example:1080") }},
		"names no host":      {Proxy: func(*http.Request) (*url.URL, error) { return url.Parse("http://:80") }},
		"write failed":       {Proxy: func(*http.Request) (*url.URL, error) { return nil, errWrite }},
	} {
		_, _, _, err := d.Dial(context.Background(), "ws://a.example/")
		require.ErrorContains(t, err, name)
	}
	// ProxyFromEnvironment has the type of the field.
	_ = Dialer{Proxy: http.ProxyFromEnvironment}
}

// If a proxy sends its response and the server's data in one piece, nothing is
// lost.
func TestProxyKeepsEarlyBytes(t *testing.T) {
	frame := AppendFrame(nil, NewTextFrame([]byte("early")))
	d := dialTo(t, func(c net.Conn) {
		readRequestText(c)
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		req, _ := readRequestText(c)
		c.Write(append([]byte(strings.ReplaceAll(goodAnswer+"\r\n", "ACCEPT", acceptFor(req))), frame...))
	})
	d.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse("http://proxy.example") }
	conn, _, _, err := d.Dial(context.Background(), "ws://a.example/")
	require.NoError(t, err)
	defer conn.Close()
	f, err := ReadFrame(conn)
	require.NoError(t, err)
	require.Equal(t, "early", string(f.Payload))
}

func TestDialResultsDoNotAlias(t *testing.T) {
	d := Dialer{Protocols: []string{"first", "OTHER"}, Extensions: []httphead.Option{httphead.NewOption("one", nil), httphead.NewOption("TWO", nil)}}
	_, first, err := d.Upgrade(&fakeServer{answer: goodAnswer + "Sec-WebSocket-Protocol: first\r\nSec-WebSocket-Extensions: one; a=1\r\n\r\n"}, target(t, "ws://a.example/"))
	require.NoError(t, err)
	for range 10 {
		_, _, err = d.Upgrade(&fakeServer{answer: goodAnswer + "Sec-WebSocket-Protocol: OTHER\r\nSec-WebSocket-Extensions: TWO; B=2\r\n\r\n"}, target(t, "ws://a.example/"))
		require.NoError(t, err)
	}
	require.Equal(t, "first", first.Protocol)
	require.Equal(t, "one", string(first.Extensions[0].Name))
}

// answering is a server in memory with minimal cost: it finds the key at a
// fixed offset in the request.
type answering struct {
	request []byte
	answer  []byte
	read    int
}

func (a *answering) Write(p []byte) (int, error) {
	a.request = append(a.request[:0], p...)
	a.answer = append(a.answer[:0], goodAnswer[:len(goodAnswer)-len("ACCEPT\r\n")]...)
	i := bytes.Index(a.request, []byte("Sec-WebSocket-Key: ")) + len("Sec-WebSocket-Key: ")
	a.answer = appendAccept(a.answer, a.request[i:i+keySize])
	a.answer = append(a.answer, "\r\n\r\n"...)
	a.read = 0
	return len(p), nil
}

func (a *answering) Read(p []byte) (int, error) {
	n := copy(p, a.answer[a.read:])
	a.read += n
	return n, nil
}

func TestDialerUpgradeAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	srv, u := new(answering), target(t, "ws://a.example:8080/chat")
	require.LessOrEqual(t, testing.AllocsPerRun(200, func() {
		if _, _, err := (Dialer{}).Upgrade(srv, u); err != nil {
			t.Fatal(err)
		}
	}), 2.0)
}

// BenchmarkDialerUpgrade includes SHA-1 and base64 of the server.
func BenchmarkDialerUpgrade(b *testing.B) {
	srv, u := new(answering), target(b, "ws://a.example:8080/chat")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := (Dialer{}).Upgrade(srv, u); err != nil {
			b.Fatal(err)
		}
	}
}

// A refusal without its body is reported soon, not only after the timeout.
func TestDialRejectedWithoutItsBody(t *testing.T) {
	for _, head := range []string{
		"HTTP/1.1 403 Forbidden\r\n\r\nstart",
		"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nstart",
	} {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			go func() {
				defer server.Close()
				readRequestText(server)
				io.WriteString(server, head)
				io.Copy(io.Discard, server)
			}()
			d := Dialer{Timeout: -1, NetDial: func(context.Context, string, string) (net.Conn, error) { return client, nil }}
			began := time.Now()
			_, _, _, err := d.Dial(context.Background(), "ws://a.example/")
			var refusal *ConnectionRejectedError
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, 403, refusal.StatusCode())
			require.Equal(t, "start", string(refusal.Body()))
			require.Equal(t, RefusalBodyTimeout, time.Since(began))
		})
	}
}

// If the context ends while the last callback runs, no closed connection is
// returned.
func TestDialCancelledAtTheLastMoment(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	d := dialTo(t, func(c net.Conn) {
		req, _ := readRequestText(c)
		io.WriteString(c, strings.ReplaceAll(goodAnswer+"X-Last: x\r\n\r\n", "ACCEPT", acceptFor(req)))
	})
	d.OnHeader = func(_, _ []byte) error { cancel(); return nil }
	conn, _, _, err := d.Dial(ctx, "ws://a.example/")
	require.ErrorIs(t, err, context.Canceled)
	require.Nil(t, conn)
}

// The request line for a proxy has one host and one port.
func TestConnectRequest(t *testing.T) {
	for in, want := range map[string]string{
		"ws://a.example":               "a.example:80",
		"wss://a.example:444":          "a.example:444",
		"ws://[fe80::1%25eth0]:81":     "[fe80::1]:81",
		"wss://[fe80::1%25e%20th0%20]": "[fe80::1]:443",
	} {
		req, err := connectRequest(connectAddress(target(t, in)), nil, nil)
		require.NoError(t, err)
		require.Equal(t, "CONNECT "+want+" HTTP/1.1\r\nHost: "+want+"\r\nUser-Agent: "+userAgent+"\r\n\r\n", string(req))
	}
	for _, tt := range []struct {
		header http.Header
		user   *url.Userinfo
		want   string
	}{
		{http.Header{"Host": {"b"}, "Content-Length": {"5"}, "transfer-encoding": {"chunked"}, "Trailer": {"X"}, "X-A": {"1"}}, nil, "User-Agent: " + userAgent + "\r\nX-A: 1\r\n"},
		{http.Header{"User-Agent": {"mine"}}, nil, "User-Agent: mine\r\n"},
		{http.Header{"user-agent": {"mine"}}, nil, "user-agent: mine\r\n"},
		{http.Header{"User-Agent": {""}}, nil, ""},
		{http.Header{"User-Agent": nil}, nil, ""},
		{http.Header{"proxy-authorization": {"x"}, "User-Agent": {""}}, nil, "proxy-authorization: x\r\n"},
		{http.Header{"proxy-authorization": {"x"}, "User-Agent": {""}}, url.UserPassword("u", "p"), "Proxy-Authorization: Basic dTpw\r\n"},
	} {
		req, err := connectRequest("a.example:80", tt.user, tt.header)
		require.NoError(t, err)
		require.Equal(t, "CONNECT a.example:80 HTTP/1.1\r\nHost: a.example:80\r\n"+tt.want+"\r\n", string(req))
	}
	_, err := connectRequest("a b:80", nil, nil)
	require.Error(t, err)
}

func TestUnreadConnCloseWrite(t *testing.T) {
	client, server := pair(t)
	br := bufio.NewReader(strings.NewReader("early"))
	br.Peek(1)
	c := unread(client, br).(*unreadConn)
	require.NoError(t, c.CloseWrite())
	_, err := server.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err, "the other side sees the end")
	pipe, other := net.Pipe()
	defer pipe.Close()
	defer other.Close()
	require.ErrorIs(t, (&unreadConn{Conn: pipe}).CloseWrite(), errors.ErrUnsupported)
}
