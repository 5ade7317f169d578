package ws

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/httphead"
)

// serve starts a server on loopback with the handler, and returns a function
// that connects to it.
func serve(t *testing.T, h http.Handler, set ...func(*http.Server)) (dial func() net.Conn) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	for _, f := range set {
		f(srv.Config)
	}
	srv.Start()
	t.Cleanup(srv.Close)
	return func() net.Conn {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		return conn
	}
}

// exchange sends in over a new connection and returns the whole answer.
func exchange(t *testing.T, conn net.Conn, in string) []byte {
	t.Helper()
	_, err := io.WriteString(conn, in)
	require.NoError(t, err)
	out, err := io.ReadAll(conn)
	require.NoError(t, err)
	return out
}

func TestUpgradeHTTPChecks_RFC6455_4_2_1(t *testing.T) {
	type outcome struct {
		err    error
		status int // that middleware saw
	}
	outcomes := make(chan outcome, 1)
	dial := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &statusWriter{ResponseWriter: w}
		conn, _, _, err := UpgradeHTTP(r, seen)
		outcomes <- outcome{err, seen.status}
		if err == nil {
			conn.Close()
		}
	}))
	for _, tt := range requestCases {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Contains(tt.name, "HTTP/1.0") {
				tt.request = strings.Replace(tt.request, "Connection: Upgrade", "Connection: Upgrade, keep-alive", 1)
			}
			// After a refused request, the connection is closed, and later
			// bytes are not read as another request.
			out := exchange(t, dial(), tt.request+request(getLine))
			resp, _ := answerOf(t, out)
			if tt.name == "no Host" { // net/http refuses it before any handler
				require.Equal(t, 400, resp.StatusCode)
				return
			}
			got := <-outcomes
			require.Equal(t, tt.status, resp.StatusCode)
			require.Equal(t, 1, bytes.Count(out, []byte("HTTP/1.1 "))+bytes.Count(out, []byte("HTTP/1.0 ")), "one answer")
			if tt.err == nil {
				require.NoError(t, got.err)
				return
			}
			require.ErrorIs(t, got.err, tt.err)
			require.Equal(t, tt.status, got.status, "middleware sees the refusal")
			checkRefusal(t, out)
		})
	}
}

// statusWriter is a typical wrapper of a middleware around a ResponseWriter.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(code int) { w.status = code; w.ResponseWriter.WriteHeader(code) }

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestUpgradeHTTPKeepsEarlyFrames(t *testing.T) {
	frame := AppendFrame(nil, MaskFrame(NewTextFrame([]byte("early"))))
	for name, read := range map[string]func(net.Conn, *bufio.ReadWriter) io.Reader{
		"from the connection": func(c net.Conn, _ *bufio.ReadWriter) io.Reader { return c },
		"from the bufio pair": func(_ net.Conn, rw *bufio.ReadWriter) io.Reader { return rw },
	} {
		t.Run(name, func(t *testing.T) {
			got := make(chan string, 2)
			dial := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, rw, _, err := UpgradeHTTP(r, w)
				if err != nil {
					got <- err.Error()
					return
				}
				defer conn.Close()
				for range 2 {
					f, err := ReadFrame(read(conn, rw))
					if err != nil {
						got <- err.Error()
						return
					}
					got <- string(UnmaskFrameInPlace(f).Payload)
				}
			}))
			conn := dial()
			_, err := conn.Write(append([]byte(request(getLine)), frame...))
			require.NoError(t, err)
			require.Equal(t, "early", <-got)
			_, err = conn.Write(frame)
			require.NoError(t, err)
			require.Equal(t, "early", <-got, "and what comes later")
		})
	}
}

func TestUpgradeHTTPNegotiates(t *testing.T) {
	u := HTTPUpgrader{
		Header:    http.Header{"X-A": {"1", "2"}},
		Protocol:  SelectFromSlice([]string{"chat", "wamp"}),
		Negotiate: func(o httphead.Option) (httphead.Option, error) { return o, nil },
	}
	got := make(chan Handshake, 1)
	dial := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, hs, err := u.Upgrade(r, w)
		if err == nil {
			conn.Close()
		}
		got <- hs
	}))
	out := exchange(t, dial(), request(getLine, "Sec-WebSocket-Protocol", "soap, wamp", "Sec-WebSocket-Extensions", "x; y=1"))
	resp, _ := answerOf(t, out)
	require.Equal(t, 101, resp.StatusCode)
	require.Equal(t, "wamp", resp.Header.Get("Sec-WebSocket-Protocol"))
	require.Equal(t, "x; y=1", strings.ReplaceAll(resp.Header.Get("Sec-WebSocket-Extensions"), ";y", "; y"))
	require.Equal(t, []string{"1", "2"}, resp.Header.Values("X-A"))
	hs := <-got
	require.Equal(t, "wamp", hs.Protocol)
	require.Len(t, hs.Extensions, 1)

	u.Header = http.Header{"X-A": {"1\r\nX-Evil: 2"}}
	out = exchange(t, dial(), request(getLine))
	resp, _ = answerOf(t, out)
	require.Equal(t, 500, resp.StatusCode)
	require.Empty(t, resp.Header.Get("X-Evil"))
	<-got
}

// The deadlines of the server end with the upgrade.
func TestUpgradeHTTPLiftsDeadlines(t *testing.T) {
	conn := &deadlineConn{}
	rec := &hijackable{ResponseRecorder: httptest.NewRecorder(), conn: conn}
	_, _, _, err := UpgradeHTTP(httpRequest(), rec)
	require.NoError(t, err)
	require.NotEmpty(t, conn.deadlines)
	require.False(t, conn.deadlines[0].IsZero(), "the answer is written within the timeout")
	require.True(t, conn.deadlines[len(conn.deadlines)-1].IsZero())

	conn = &deadlineConn{}
	rec.conn = conn
	_, _, _, err = HTTPUpgrader{Timeout: -1}.Upgrade(httpRequest(), rec)
	require.NoError(t, err)
	for _, d := range conn.deadlines {
		require.True(t, d.IsZero(), "no bound")
	}
}

func TestUpgradeHTTPClosesWhatItCannotAnswer(t *testing.T) {
	conn := &deadlineConn{}
	conn.failAt = 1
	got, rw, _, err := UpgradeHTTP(httpRequest(), &hijackable{ResponseRecorder: httptest.NewRecorder(), conn: conn})
	require.ErrorIs(t, err, errWrite)
	require.Nil(t, got)
	require.Nil(t, rw)
	require.True(t, conn.closed)
}

// httpRequest is the shortest valid request, as net/http passes it to a
// handler.
func httpRequest() *http.Request {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request(getLine))))
	if err != nil {
		panic(err)
	}
	return r
}

// deadlineConn records written bytes and deadlines.
type deadlineConn struct {
	net.Conn
	countingWriter
	deadlines []time.Time
	closed    bool
}

func (c *deadlineConn) Write(p []byte) (int, error) { return c.countingWriter.Write(p) }
func (c *deadlineConn) Read(p []byte) (int, error)  { return 0, io.EOF }
func (c *deadlineConn) Close() error                { c.closed = true; return nil }
func (c *deadlineConn) SetDeadline(t time.Time) error {
	c.deadlines = append(c.deadlines, t)
	return nil
}

type hijackable struct {
	*httptest.ResponseRecorder
	conn net.Conn
	err  error
}

func (h *hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), h.err
}

func TestUpgradeHTTPWithoutHijacker(t *testing.T) {
	rec := httptest.NewRecorder()
	_, _, _, err := UpgradeHTTP(httpRequest(), rec)
	require.ErrorIs(t, err, ErrNotHijacker)
	require.Equal(t, 500, rec.Code)
	require.ErrorContains(t, err, "Hijacker")
	require.Equal(t, "ws: internal server error", rec.Body.String(), "the reason is for the program")

	// A hijacked connection cannot be answered.
	h := &hijackable{ResponseRecorder: httptest.NewRecorder(), err: http.ErrHijacked}
	_, _, _, err = UpgradeHTTP(httpRequest(), h)
	require.ErrorIs(t, err, http.ErrHijacked)
	require.Zero(t, h.Body.Len())
}

// An HTTP/2 stream has no connection to take over.
func TestUpgradeHTTPRefusesStreams_RFC8441(t *testing.T) {
	for name, c := range map[string]struct {
		r      *http.Request
		status int
		is     error
		text   string
	}{
		"GET":              {stream(map[string]string{"method": "GET", ":protocol": ""}), 405, ErrHandshakeBadMethod, "extended CONNECT"},
		"extended CONNECT": {stream(nil), 501, ErrHandshakeBadProtocol, "use websocket.Accept"},
	} {
		rec := httptest.NewRecorder()
		_, _, _, err := UpgradeHTTP(c.r, rec)
		require.ErrorIs(t, err, c.is, name)
		require.ErrorContains(t, err, c.text, name)
		require.Equal(t, c.status, rec.Code, name)
		require.Empty(t, rec.Header()["Connection"], "it would end the other streams")
	}
}

// stream returns an extended CONNECT as an HTTP/2 server presents it, with
// changes to the method, path, host, proto and fields. An empty value removes a
// field.
func stream(change map[string]string) *http.Request {
	r := &http.Request{
		Method: http.MethodConnect, URL: &url.URL{Path: "/chat"}, Host: "server.example.com",
		Proto: "HTTP/2.0", ProtoMajor: 2, ContentLength: -1,
		Header: http.Header{":protocol": {"websocket"}, "Sec-Websocket-Version": {"13"}},
	}
	for name, value := range change {
		switch name {
		case "method":
			r.Method = value
		case "path":
			r.URL.Path = value
		case "host":
			r.Host = value
		case "proto":
			r.Proto, r.ProtoMajor = value, 3
		default:
			if r.Header[name] = []string{value}; value == "" {
				delete(r.Header, name)
			}
		}
	}
	return r
}

func TestUpgradeStream_RFC8441_5(t *testing.T) {
	u := HTTPUpgrader{
		Protocol:  SelectEqual("chat"),
		Negotiate: func(o httphead.Option) (httphead.Option, error) { return o, nil },
		Header:    http.Header{"X-Own": {"1"}},
	}
	r := stream(map[string]string{
		"Sec-Websocket-Key": "not looked at", "Sec-Websocket-Protocol": "x, chat", "Sec-Websocket-Extensions": "foo", "Upgrade": "h2c",
	})
	rec := httptest.NewRecorder()
	rec.Header().Set("Set-Cookie", "a=1")
	rec.Header().Set("Sec-WebSocket-Accept", "a middleware's")
	hs, err := u.UpgradeStream(r, rec)
	require.NoError(t, err)
	require.Equal(t, "chat", hs.Protocol)
	require.Len(t, hs.Extensions, 1)
	require.Equal(t, 200, rec.Code)
	require.True(t, rec.Flushed)
	require.Equal(t, http.Header{
		"Set-Cookie": {"a=1"}, "X-Own": {"1"}, "Sec-WebSocket-Protocol": {"chat"}, "Sec-WebSocket-Extensions": {"foo"},
	}, rec.Header())

	r = stream(map[string]string{":protocol": "", "proto": "websocket"}) // as HTTP/3 shows it
	_, err = u.UpgradeStream(r, httptest.NewRecorder())
	require.NoError(t, err)
}

func TestUpgradeStreamRefusals_RFC8441_4(t *testing.T) {
	long := strings.Repeat("x", 10<<10)
	u := HTTPUpgrader{Hosts: []string{"server.example.com"}}
	for _, c := range []struct {
		name   string
		change map[string]string
		status int
		is     error
		text   string
	}{
		{"RFC 8441 4, CONNECT without :protocol", map[string]string{":protocol": "", "path": ""}, 400, ErrHandshakeBadUpgrade, "without :protocol"},
		{"RFC 9220 3, another :protocol", map[string]string{":protocol": "connect-udp"}, 501, ErrHandshakeBadUpgrade, `not "connect-udp"`},
		{"RFC 9220 3, another :protocol over HTTP/3", map[string]string{":protocol": "", "proto": "webtransport"}, 501, ErrHandshakeBadUpgrade, `not "webtransport"`},
		{"a long :protocol is cut", map[string]string{":protocol": long}, 501, ErrHandshakeBadUpgrade, "xxx..."},
		{"RFC 8441 4, GET with :protocol", map[string]string{"method": "GET"}, 400, ErrHandshakeBadMethod, "needs method CONNECT"},
		{"GET", map[string]string{"method": "GET", ":protocol": ""}, 405, ErrHandshakeBadMethod, "extended CONNECT"},
		{"RFC 8441 4, no :path", map[string]string{"path": ""}, 400, ErrMalformedRequest, ":path"},
		{"no :authority", map[string]string{"host": ""}, 400, ErrHandshakeBadHost, "Host"},
		{"another :authority", map[string]string{"host": "evil.example"}, 421, ErrHandshakeForeignHost, "host"},
		{"RFC 8441 5, no version", map[string]string{"Sec-Websocket-Version": ""}, 400, ErrHandshakeBadSecVersion, "Version 13"},
		{"RFC 6455 4.4, another version", map[string]string{"Sec-Websocket-Version": "8"}, 400, ErrHandshakeBadSecVersion, "Version 13"},
		{"RFC 6455 4.1, malformed subprotocols", map[string]string{"Sec-Websocket-Protocol": "a b"}, 400, ErrHandshakeBadSubProtocol, "Protocol"},
		{"limits", map[string]string{"Sec-Websocket-Protocol": long + long}, 431, ErrHandshakeTooLarge, "fields of the handshake over"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			_, err := u.UpgradeStream(stream(c.change), rec)
			require.ErrorIs(t, err, c.is)
			require.ErrorContains(t, err, c.text)
			require.Less(t, len(err.Error()), 600)
			require.Equal(t, c.status, rec.Code)
			require.Contains(t, rec.Body.String(), c.text)
			require.Empty(t, rec.Header()["Connection"])
			if c.is == ErrHandshakeBadSecVersion {
				require.Equal(t, []string{"13"}, rec.Header()[fieldVersion.String()], "RFC 6455, section 4.4")
			}
		})
	}

	rec := httptest.NewRecorder()
	_, err := u.UpgradeStream(httpRequest(), rec)
	require.ErrorIs(t, err, ErrHandshakeBadProtocol)
	require.Equal(t, 505, rec.Code)
	_, err = u.UpgradeStream(nil, httptest.NewRecorder())
	require.Error(t, err)
	_, err = u.UpgradeStream(httpRequest(), nil)
	require.Error(t, err)
	rec = httptest.NewRecorder()
	_, err = u.UpgradeStream(stream(nil), noFlusher{rec})
	require.ErrorIs(t, err, errNotFlusher)
	require.Equal(t, 500, rec.Code)
}

type noFlusher struct{ http.ResponseWriter }

// BenchmarkUpgradeHTTP does not include the work of net/http before the
// handler.
func BenchmarkUpgradeHTTP(b *testing.B) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(chromeRequest)))
	if err != nil {
		b.Fatal(err)
	}
	conn := &discardConn{}
	w := &benchHijacker{conn: conn, rw: bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn))}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, err := UpgradeHTTP(r, w); err != nil {
			b.Fatal(err)
		}
	}
}

type discardConn struct{ net.Conn }

func (discardConn) Read([]byte) (int, error)    { return 0, io.EOF }
func (discardConn) Write(p []byte) (int, error) { return len(p), nil }
func (discardConn) SetDeadline(time.Time) error { return nil }
func (discardConn) Close() error                { return nil }

type benchHijacker struct {
	http.ResponseWriter
	conn net.Conn
	rw   *bufio.ReadWriter
}

func (h *benchHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.conn, h.rw, nil }

// Some peers compare the names of fields with regard to case.
func TestUpgradeHTTPSpelling_RFC6455_11_3(t *testing.T) {
	dial := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Sec-WebSocket-Version", "a middleware's")
		u := HTTPUpgrader{Protocol: SelectEqual("chat"), AnswerThroughWriter: r.URL.Path == "/through"}
		if conn, _, _, err := u.Upgrade(r, w); err == nil {
			conn.Close()
		}
	}))
	out := exchange(t, dial(), request(getLine, "Sec-WebSocket-Version", "8"))
	require.Contains(t, string(out), "\r\nSec-WebSocket-Version: 13\r\n")
	require.NotContains(t, string(out), "Sec-Websocket")
	for _, path := range []string{"/", "/through"} {
		out = exchange(t, dial(), request("GET "+path+" HTTP/1.1", "Sec-WebSocket-Protocol", "chat"))
		require.Contains(t, string(out), "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")
		require.Contains(t, string(out), "\r\nSec-WebSocket-Protocol: chat\r\n")
		require.NotContains(t, string(out), "Sec-Websocket")
	}
	// A request made by a program may also have them.
	r := httpRequest()
	h := http.Header{"Upgrade": r.Header["Upgrade"], "Connection": r.Header["Connection"],
		"Sec-WebSocket-Key": r.Header["Sec-Websocket-Key"], "Sec-WebSocket-Version": {"13"}}
	r.Header = h
	_, _, _, err := UpgradeHTTP(r, &hijackable{ResponseRecorder: httptest.NewRecorder(), conn: &deadlineConn{}})
	require.NoError(t, err)
}

// A refused request without its body does not hold the connection: it gets the
// response immediately, and the connection ends soon.
func TestUpgradeHTTPDoesNotWaitForABody_RFC9112_9_6(t *testing.T) {
	for name, fields := range map[string][]string{
		"length":  {"Content-Length", "5"},
		"large":   {"Content-Length", "1000000"},
		"chunked": {"Transfer-Encoding", "chunked"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				defer client.Close()
				l := &oneListener{conn: server, closed: make(chan struct{})}
				failed := make(chan error, 1)
				srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _, _, err := UpgradeHTTP(r, &statusWriter{ResponseWriter: w})
					failed <- err
				})}
				go srv.Serve(l)
				defer srv.Close()
				began := time.Now()
				go io.WriteString(client, request(getLine, fields...))
				br := bufio.NewReader(client)
				resp, err := http.ReadResponse(br, nil)
				require.NoError(t, err)
				require.Equal(t, 400, resp.StatusCode)
				require.ErrorIs(t, <-failed, ErrMalformedRequest)
				require.Zero(t, time.Since(began), "the answer does not wait")
				_, err = io.ReadAll(br)
				require.NoError(t, err)
				require.LessOrEqual(t, time.Since(began), 2*time.Second)
			})
		})
	}
}

// oneListener is a net.Listener of one connection.
type oneListener struct {
	conn   net.Conn
	closed chan struct{}
}

func (l *oneListener) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneListener) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *oneListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// sessionWriter is a middleware that sets a cookie when the status is written.
type sessionWriter struct{ http.ResponseWriter }

func (w sessionWriter) WriteHeader(code int) {
	http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
	w.ResponseWriter.WriteHeader(code)
}

func (w sessionWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestUpgradeHTTPAnswersThroughTheWriter(t *testing.T) {
	frame := AppendFrame(nil, MaskFrame(NewTextFrame([]byte("early"))))
	seen := make(chan int, 1)
	dial := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sw := &statusWriter{ResponseWriter: sessionWriter{w}}
		sw.Header().Set("Content-Length", "5")
		sw.Header().Set("X-Middleware", "was here")
		u := HTTPUpgrader{AnswerThroughWriter: true, Header: http.Header{"X-A": {"1"}}}
		conn, _, _, err := u.Upgrade(r, sw)
		seen <- sw.status
		if err != nil {
			return
		}
		defer conn.Close()
		if f, err := ReadFrame(conn); err == nil {
			WriteFrame(conn, NewTextFrame(UnmaskFrameInPlace(f).Payload))
		}
	}), func(srv *http.Server) { srv.ReadTimeout, srv.WriteTimeout = time.Minute, time.Minute })
	out := exchange(t, dial(), request(getLine)+string(frame))
	require.Equal(t, 101, <-seen, "middleware sees the status")
	br := bufio.NewReader(bytes.NewReader(out))
	resp, err := http.ReadResponse(br, nil)
	require.NoError(t, err)
	require.Equal(t, 101, resp.StatusCode)
	require.Equal(t, "session=1", resp.Header.Get("Set-Cookie"))
	require.Equal(t, "was here", resp.Header.Get("X-Middleware"))
	require.Equal(t, "1", resp.Header.Get("X-A"))
	require.Equal(t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", resp.Header.Get("Sec-WebSocket-Accept"))
	require.Equal(t, []string{"Upgrade"}, resp.Header.Values("Connection"))
	require.Empty(t, resp.Header.Get("Content-Length"))
	f, err := ReadFrame(br)
	require.NoError(t, err)
	require.Equal(t, "early", string(f.Payload), "nothing stands between the answer and the frames")

	rec := httptest.NewRecorder()
	_, _, _, err = HTTPUpgrader{AnswerThroughWriter: true}.Upgrade(httpRequest(), rec)
	require.ErrorIs(t, err, ErrNotHijacker)
	require.Equal(t, 500, rec.Code, "101 is not said to a client that cannot have the connection")

	h := &hijackable{ResponseRecorder: httptest.NewRecorder(), err: errWrite}
	_, _, _, err = HTTPUpgrader{AnswerThroughWriter: true}.Upgrade(httpRequest(), h)
	require.ErrorIs(t, err, errWrite)
	require.Equal(t, 101, h.Code, "a second answer is not sent")
	require.Zero(t, h.Body.Len())
}

func TestAnswerHeader(t *testing.T) {
	h := http.Header{"Set-Cookie": {"a=1"}, "Sec-WebSocket-Protocol": {"x"}, "Upgrade": {"h2c"}, "Content-Type": {"text/html"}, "X-A": {"1", "2"}}
	answer := AnswerHeader(h)
	require.Equal(t, http.Header{"Set-Cookie": {"a=1"}, "X-A": {"1", "2"}}, answer)
	answer.Add("X-A", "3")
	require.Len(t, h["X-A"], 2, "it is a copy")
	require.Empty(t, AnswerHeader(nil))
}
