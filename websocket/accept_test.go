package websocket

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// handshake returns the request of a handshake with some fields changed: pairs of
// name and value, "-" for a field to leave out.
func handshake(change ...string) string {
	fields := http.Header{"Host": {"a.example"}, "Upgrade": {"websocket"}, "Connection": {"Upgrade"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Version": {"13"}}
	for i := 0; i < len(change); i += 2 {
		fields.Set(change[i], change[i+1])
		if change[i+1] == "-" {
			fields.Del(change[i])
		}
	}
	var b strings.Builder
	b.WriteString("GET / HTTP/1.1\r\n")
	fields.Write(&b)
	return b.String() + "\r\n"
}

// accepting starts a server whose handler accepts with these options and hands over
// what Accept returned.
func accepting(t *testing.T, opts *AcceptOptions, handle func(*Conn, error)) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handle(Accept(w, r, opts))
	}))
	t.Cleanup(srv.Close)
	return srv
}

// exchange sends a request over a connection of its own, and returns the head of the
// answer. The connection is closed with the test.
func exchange(t *testing.T, srv *httptest.Server, request string) (*http.Response, net.Conn) {
	t.Helper()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	br := bufio.NewReader(conn)
	resp, err := http.ReadResponse(br, nil)
	require.NoError(t, err)
	return resp, conn
}

// statusWriter is a middleware that takes note of the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(code int) { w.status = code; w.ResponseWriter.WriteHeader(code) }

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestAcceptRefuses_RFC6455_4_2_1(t *testing.T) {
	for _, tt := range []struct {
		name, request string
		status        int
		err           error
	}{
		{"method", strings.Replace(handshake(), "GET", "POST", 1), 405, ws.ErrHandshakeBadMethod},
		{"no upgrade", handshake("Upgrade", "-"), 426, ws.ErrHandshakeBadUpgrade},
		{"no connection", handshake("Connection", "close"), 426, ws.ErrHandshakeBadConnection},
		{"no key", handshake("Sec-WebSocket-Key", "-"), 400, ws.ErrHandshakeBadSecKey},
		{"short key", handshake("Sec-WebSocket-Key", "c2hvcnQ="), 400, ws.ErrHandshakeBadSecKey},
		{"version 8", handshake("Sec-WebSocket-Version", "8"), 426, ws.ErrHandshakeBadSecVersion},
		{"no version", handshake("Sec-WebSocket-Version", "-"), 426, ws.ErrHandshakeBadSecVersion},
		{"a body", handshake("Content-Length", "3") + "abc", 400, ws.ErrMalformedRequest},
		{"origin", handshake("Origin", "http://b.example"), 403, nil},
		{"extensions malformed", handshake("Sec-WebSocket-Extensions", "x;"), 400, ws.ErrHandshakeBadExtensions},
		{"subprotocols malformed", handshake("Sec-WebSocket-Protocol", "a b"), 400, ws.ErrHandshakeBadSubProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			failed := make(chan error, 1)
			seen := make(chan int, 1)
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				sw := &statusWriter{ResponseWriter: w}
				c, err := Accept(sw, r, nil)
				if err == nil {
					c.CloseNow()
				}
				failed <- err
				seen <- sw.status
			}))
			defer srv.Close()
			resp, conn := exchange(t, srv, tt.request+handshake())
			require.Equal(t, tt.status, resp.StatusCode)
			if tt.status == http.StatusUpgradeRequired {
				require.Equal(t, "13", resp.Header.Get("Sec-WebSocket-Version"))
			}
			err := <-failed
			require.ErrorContains(t, err, "websocket: accept: ")
			if tt.err != nil {
				require.ErrorIs(t, err, tt.err)
			}
			refusal, ok := errors.AsType[*ws.ConnectionRejectedError](err)
			require.True(t, ok)
			require.Equal(t, tt.status, refusal.StatusCode())
			require.Equal(t, tt.status, <-seen, "middleware sees the refusal")
			rest, err := io.ReadAll(conn)
			require.NoError(t, err)
			require.NotContains(t, string(rest), "HTTP/1.1", "nothing behind the request is read as another one")
		})
	}
}

func TestAcceptWithoutHijacker(t *testing.T) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(handshake())))
	require.NoError(t, err)
	w := httptest.NewRecorder()
	_, err = Accept(w, r, nil)
	require.ErrorIs(t, err, ws.ErrNotHijacker)
	require.Equal(t, http.StatusInternalServerError, w.Code)
}

func TestAcceptAuthorizesOrigins(t *testing.T) {
	for _, tt := range []struct {
		opts   AcceptOptions
		origin string
		status int
	}{
		{AcceptOptions{}, "http://a.example", 101},
		{AcceptOptions{}, "http://b.example", 403},
		{AcceptOptions{OriginPatterns: []string{"*.b.example"}}, "http://x.b.example", 101},
		{AcceptOptions{OriginPatterns: []string{"https://x.b.example"}}, "http://x.b.example", 403},
		{AcceptOptions{OriginPatterns: []string{"["}}, "http://x.b.example", 500},
		{AcceptOptions{InsecureSkipVerify: true}, "http://b.example", 101},
		{AcceptOptions{InsecureSkipVerify: true}, "null", 101},
	} {
		srv := accepting(t, &tt.opts, closeAtOnce)
		resp, _ := exchange(t, srv, handshake("Origin", tt.origin))
		require.Equal(t, tt.status, resp.StatusCode, "%+v", tt)
	}
}

func closeAtOnce(c *Conn, err error) {
	if err == nil {
		c.CloseNow()
	}
}

func TestAcceptChoosesSubprotocol_RFC6455_4_2_2(t *testing.T) {
	choose := func(protocol string, err error) func(*http.Request, []string) (string, error) {
		return func(_ *http.Request, offered []string) (string, error) { return protocol, err }
	}
	for _, tt := range []struct {
		name            string
		opts            AcceptOptions
		offered, chosen string
		status          int
	}{
		{"none offered", AcceptOptions{Subprotocols: []string{"a"}}, "-", "", 101},
		{"none spoken", AcceptOptions{}, "a, b", "", 101},
		{"none in common", AcceptOptions{Subprotocols: []string{"c"}}, "a, b", "", 101},
		{"the server's best", AcceptOptions{Subprotocols: []string{"c", "b", "a"}}, "a, b", "b", 101},
		{"case counts", AcceptOptions{Subprotocols: []string{"A"}}, "a", "", 101},
		{"callback", AcceptOptions{Subprotocols: []string{"a"}, ChooseSubprotocol: choose("b", nil)}, "a, b", "b", 101},
		{"callback chooses none", AcceptOptions{Subprotocols: []string{"a"}, ChooseSubprotocol: choose("", nil)}, "a, b", "", 101},
		{"callback makes one up", AcceptOptions{ChooseSubprotocol: choose("c", nil)}, "a, b", "", 500},
		{"callback is not asked", AcceptOptions{ChooseSubprotocol: choose("c", nil)}, "-", "", 101},
		{"callback refuses", AcceptOptions{ChooseSubprotocol: choose("", ws.RejectConnectionError(ws.RejectionStatus(409)))}, "a", "", 409},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := make(chan string, 1)
			srv := accepting(t, &tt.opts, func(c *Conn, err error) {
				if err != nil {
					got <- ""
					return
				}
				got <- c.Subprotocol()
				c.CloseNow()
			})
			resp, _ := exchange(t, srv, handshake("Sec-WebSocket-Protocol", tt.offered))
			require.Equal(t, tt.status, resp.StatusCode)
			if tt.status == 101 {
				require.Equal(t, tt.chosen, resp.Header.Get("Sec-WebSocket-Protocol"))
			}
			require.Equal(t, tt.chosen, <-got)
		})
	}
}

func TestAcceptOnHandshake(t *testing.T) {
	asked := 0
	opts := &AcceptOptions{OnHandshake: func(r *http.Request, answer http.Header) error {
		asked++
		switch r.Header.Get("Authorization") {
		case "":
			return ws.RejectConnectionError(
				ws.RejectionStatus(http.StatusUnauthorized),
				ws.RejectionReason("who are you?"),
				ws.RejectionHeader(ws.HandshakeHeaderString("WWW-Authenticate: Bearer\r\n")),
			)
		case "broken":
			return errors.New("no idea")
		}
		answer.Add("X-Welcome", "yes")
		return nil
	}}
	srv := accepting(t, opts, closeAtOnce)
	for _, tt := range []struct {
		change []string
		status int
		asked  int
		body   string
	}{
		{nil, 401, 1, "who are you?"},
		{[]string{"Authorization", "broken"}, 500, 1, "ws: internal server error"},
		{[]string{"Authorization", "x"}, 101, 1, ""},
		{[]string{"Sec-WebSocket-Version", "8"}, 426, 0, ""},
		{[]string{"Origin", "http://b.example"}, 403, 0, ""},
	} {
		asked = 0
		resp, _ := exchange(t, srv, handshake(tt.change...))
		require.Equal(t, tt.status, resp.StatusCode)
		require.Equal(t, tt.asked, asked, "it is asked last")
		if tt.body != "" {
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, tt.body, string(body))
		}
		if tt.status == 101 {
			require.Equal(t, "yes", resp.Header.Get("X-Welcome"))
		}
	}
}

// What a handler has set goes out with the answer, but for what would break it.
func TestAcceptSendsTheHandlersHeader(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
		h := w.Header()
		h.Set("X-Middleware", "was here")
		h.Set("Content-Type", "text/html")
		h.Set("Content-Length", "7")
		h.Set("Connection", "close")
		h.Set("Sec-WebSocket-Protocol", "made-up")
		h.Set("Sec-WebSocket-Accept", "x")
		closeAtOnce(Accept(w, r, nil))
	}))
	defer srv.Close()
	resp, _ := exchange(t, srv, handshake())
	require.Equal(t, 101, resp.StatusCode)
	require.Equal(t, "session=1", resp.Header.Get("Set-Cookie"))
	require.Equal(t, "was here", resp.Header.Get("X-Middleware"))
	require.Equal(t, []string{"Upgrade"}, resp.Header.Values("Connection"))
	require.Equal(t, []string{"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}, resp.Header.Values("Sec-WebSocket-Accept"))
	require.Empty(t, resp.Header.Get("Sec-WebSocket-Protocol")+resp.Header.Get("Content-Type")+resp.Header.Get("Content-Length"))
}

// A client that does not wait for the answer loses nothing.
func TestAcceptDeliversWhatCameBehindTheRequest(t *testing.T) {
	var frames []byte
	for _, s := range []string{"one", "two"} {
		frames = ws.AppendFrame(frames, ws.MaskFrame(ws.NewTextFrame([]byte(s))))
	}
	got := make(chan string, 3)
	srv := accepting(t, nil, func(c *Conn, err error) {
		if err != nil {
			got <- err.Error()
			return
		}
		defer c.CloseNow()
		for range 3 {
			_, p, err := c.Read(context.Background())
			if err != nil {
				p = []byte(err.Error())
			}
			got <- string(p)
		}
	})
	cut := len(frames) - 3
	_, conn := exchange(t, srv, handshake()+string(frames[:cut]))
	_, err := conn.Write(append(frames[cut:], ws.AppendFrame(nil, ws.MaskFrame(ws.NewTextFrame([]byte("three"))))...))
	require.NoError(t, err)
	require.Equal(t, []string{"one", "two", "three"}, []string{<-got, <-got, <-got})
}

// pipeListener is a net.Listener of pipes.
type pipeListener chan net.Conn

func (l pipeListener) Accept() (net.Conn, error) {
	c, ok := <-l
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (l pipeListener) Close() error   { return nil }
func (l pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// dial returns a new connection to what listens.
func (l pipeListener) dial() net.Conn {
	client, server := net.Pipe()
	l <- server
	return client
}

// The deadlines that the server had set end with the upgrade.
func TestAcceptLiftsTheServersDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := make(pipeListener)
		srv := &http.Server{
			ReadTimeout: time.Second, ReadHeaderTimeout: time.Second, WriteTimeout: time.Second, IdleTimeout: time.Second,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := Accept(w, r, nil)
				if err != nil {
					return
				}
				defer c.CloseNow()
				for {
					typ, p, err := c.Read(context.Background())
					if err != nil || c.Write(context.Background(), typ, p) != nil {
						return
					}
				}
			}),
		}
		go srv.Serve(l)
		defer func() { close(l); srv.Close(); synctest.Wait() }()

		conn := l.dial()
		defer conn.Close()
		_, err := io.WriteString(conn, handshake())
		require.NoError(t, err)
		br := bufio.NewReader(conn)
		resp, err := http.ReadResponse(br, nil)
		require.NoError(t, err)
		require.Equal(t, 101, resp.StatusCode)
		for range 3 {
			time.Sleep(time.Minute)
			go conn.Write(ws.AppendFrame(nil, ws.MaskFrame(ws.NewTextFrame([]byte("still here?")))))
			f, err := ws.ReadFrame(br)
			require.NoError(t, err)
			require.Equal(t, "still here?", string(f.Payload))
		}
	})
}

// Handshakes that fail leave no descriptor behind.
func TestFailedAcceptsLeaveNothingOpen(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("counts /proc/self/fd")
	}
	open := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(fds)
	}
	srv := accepting(t, nil, closeAtOnce)
	bad := []string{handshake("Sec-WebSocket-Version", "8"), handshake("Origin", "null"), handshake("Upgrade", "-")}
	before := open()
	for i := range 1000 {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		require.NoError(t, err)
		_, err = io.WriteString(conn, bad[i%len(bad)])
		require.NoError(t, err)
		_, err = io.ReadAll(conn) // the server closes it
		require.NoError(t, err)
		conn.Close()
	}
	require.Eventually(t, func() bool { return open() <= before+5 }, 10*time.Second, time.Millisecond)
}

// The limits of a handshake hold whatever net/http lets pass, before origin or anything
// else is looked at.
func TestAcceptLimitsTheHandshake(t *testing.T) {
	for _, tt := range []struct {
		name   string
		opts   AcceptOptions
		change []string
		status int
	}{
		{"parameters", AcceptOptions{}, []string{"Sec-WebSocket-Extensions", "x" + strings.Repeat(";a", 33)}, 431},
		{"parameters, compression wanted", AcceptOptions{CompressionMode: CompressionContextTakeover}, []string{"Sec-WebSocket-Extensions", "x" + strings.Repeat(";a", 33)}, 431},
		{"parameters allowed", AcceptOptions{HandshakeLimits: ws.HandshakeLimits{MaxParameters: 33}}, []string{"Sec-WebSocket-Extensions", "x" + strings.Repeat(";a", 33)}, 101},
		{"subprotocols", AcceptOptions{}, []string{"Sec-WebSocket-Protocol", strings.Repeat("x,", 33)}, 431},
		{"subprotocols, some spoken", AcceptOptions{Subprotocols: []string{"x"}}, []string{"Sec-WebSocket-Protocol", strings.Repeat("x,", 33)}, 431},
		{"half a megabyte", AcceptOptions{}, []string{"Sec-WebSocket-Extensions", "x" + strings.Repeat(";a", 256<<10)}, 431},
		{"half a megabyte of Origin", AcceptOptions{InsecureSkipVerify: true}, []string{"Origin", strings.Repeat("x", 512<<10)}, 431},
		{"10 KiB of Origin", AcceptOptions{}, []string{"Origin", strings.Repeat("x", 10<<10)}, 403},
		{"host of another name", AcceptOptions{Hosts: []string{"b.example"}}, nil, 421},
		{"one of the hosts", AcceptOptions{Hosts: []string{"b.example", "A.example"}}, nil, 101},
		{"pattern that matches nothing", AcceptOptions{OriginPatterns: []string{"https://a.example/"}}, nil, 500},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := accepting(t, &tt.opts, closeAtOnce)
			resp, _ := exchange(t, srv, handshake(tt.change...))
			require.Equal(t, tt.status, resp.StatusCode)
			if tt.status == 101 {
				return
			}
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Less(t, len(body), 1000)
		})
	}
}

// cookieWriter is a middleware that sets a cookie when the status is written.
type cookieWriter struct{ http.ResponseWriter }

func (w cookieWriter) WriteHeader(code int) {
	http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
	w.ResponseWriter.WriteHeader(code)
}

func (w cookieWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestAcceptAnswersThroughTheWriter(t *testing.T) {
	for _, through := range []bool{false, true} {
		seen := make(chan int, 1)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sw := &statusWriter{ResponseWriter: cookieWriter{w}}
			sw.Header().Set("X-Middleware", "was here")
			c, err := Accept(sw, r, &AcceptOptions{
				Subprotocols:        []string{"chat"},
				AnswerThroughWriter: through,
				OnHandshake:         func(_ *http.Request, answer http.Header) error { answer.Set("X-Welcome", "yes"); return nil },
			})
			seen <- sw.status
			if err != nil {
				return
			}
			defer c.CloseNow()
			if typ, p, err := c.Read(context.Background()); err == nil {
				c.Write(context.Background(), typ, p)
			}
		}))
		c, resp, err := Dial(background, srv.URL, &DialOptions{Subprotocols: []string{"chat"}})
		require.NoError(t, err)
		require.Equal(t, "chat", c.Subprotocol())
		require.Equal(t, "was here", resp.Header.Get("X-Middleware"))
		require.Equal(t, "yes", resp.Header.Get("X-Welcome"))
		if through {
			require.Equal(t, 101, <-seen, "middleware sees the status")
			require.Equal(t, "session=1", resp.Header.Get("Set-Cookie"))
		} else {
			require.Zero(t, <-seen)
			require.Empty(t, resp.Header.Get("Set-Cookie"))
		}
		require.NoError(t, c.Write(background, MessageText, []byte("hello")))
		_, p, err := c.Read(background)
		require.NoError(t, err)
		require.Equal(t, "hello", string(p))
		c.CloseNow()
		srv.Close()
	}
}
