package websocket

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// echoing is a handler that echoes every message, and sends the first word of each
// request field that is named in header X-Tell back in the answer.
func echoing(opts *AcceptOptions) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, opts)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			typ, p, err := c.Read(r.Context())
			if err != nil || c.Write(r.Context(), typ, p) != nil {
				return
			}
		}
	})
}

// requireEcho fails unless c echoes.
func requireEcho(t *testing.T, c *Conn) {
	t.Helper()
	require.NoError(t, c.Write(t.Context(), MessageText, []byte("is this on?")))
	typ, p, err := c.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, MessageText, typ)
	require.Equal(t, "is this on?", string(p))
}

func TestDialSchemes(t *testing.T) {
	plain := httptest.NewServer(echoing(nil))
	defer plain.Close()
	secure := httptest.NewTLSServer(echoing(nil))
	defer secure.Close()
	for _, u := range []string{
		plain.URL, strings.Replace(plain.URL, "http", "ws", 1),
		secure.URL, strings.Replace(secure.URL, "https", "wss", 1),
	} {
		c, resp, err := Dial(t.Context(), u, &DialOptions{HTTPClient: secure.Client()})
		require.NoError(t, err, u)
		require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
		require.NoError(t, resp.Body.Close(), "which need not be called")
		requireEcho(t, c)
		require.NoError(t, c.Close(StatusNormalClosure, ""))
	}
	for _, u := range []string{"", "ftp://a.example", "ws://", "ws://a.example/#x", "a.example", "ws://user:secret@ho st"} {
		_, resp, err := Dial(t.Context(), u, nil)
		require.ErrorContains(t, err, "websocket: dial: ", "%q", u)
		require.NotContains(t, err.Error(), "secret")
		require.Nil(t, resp)
	}
}

func TestDialRequest_RFC6455_4_1(t *testing.T) {
	requests := make(chan *http.Request, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- r
		closeAtOnce(Accept(w, r, nil))
	}))
	defer srv.Close()
	header := http.Header{
		"X-Own": {"1", "2"}, "User-Agent": {"me"}, "Origin": {"http://b.example"},
		// Left over from a request that is handed on.
		"Connection": {"keep-alive"}, "Upgrade": {"h2c"}, "Sec-Websocket-Key": {"x"}, "Sec-Websocket-Version": {"8"}, "Host": {"c.example"},
	}
	kept := header.Clone()
	c, _, err := Dial(t.Context(), strings.Replace(srv.URL, "http://", "ws://user:pass@", 1)+"/path?query", &DialOptions{
		HTTPHeader:   header,
		Host:         "b.example",
		Subprotocols: []string{"a", "b"},
	})
	require.NoError(t, err)
	c.CloseNow()
	r := <-requests
	require.Equal(t, kept, header, "the caller's header is as it was")
	require.Equal(t, "/path?query", r.RequestURI)
	require.Equal(t, "b.example", r.Host)
	require.Equal(t, []string{"1", "2"}, r.Header.Values("X-Own"))
	require.Equal(t, "me", r.Header.Get("User-Agent"))
	require.Equal(t, []string{"Upgrade"}, r.Header.Values("Connection"))
	require.Equal(t, []string{"websocket"}, r.Header.Values("Upgrade"))
	require.Equal(t, []string{"13"}, r.Header.Values("Sec-WebSocket-Version"))
	require.Len(t, r.Header.Get("Sec-WebSocket-Key"), 24)
	require.Equal(t, []string{"a, b"}, r.Header.Values("Sec-WebSocket-Protocol"))
	require.Empty(t, r.Header.Values("Sec-WebSocket-Extensions"))
	user, password, _ := r.BasicAuth()
	require.Equal(t, "user:pass", user+":"+password)

	for _, h := range []http.Header{{"Sec-Websocket-Protocol": {"a b"}}, {"X": {"1\r\nX-Evil: 2"}}} {
		_, _, err = Dial(t.Context(), srv.URL, &DialOptions{HTTPHeader: h})
		require.Error(t, err)
		require.Empty(t, requests, "nothing is sent")
	}
}

// The header of a browser's request can be handed on: subprotocols are offered as if they
// stood in Subprotocols. Its offers of extensions are an error.
func TestDialHeaderHandedOn(t *testing.T) {
	for _, tt := range []struct {
		options []string
		header  http.Header
		offered []string
		agreed  string
	}{
		{nil, http.Header{"Sec-Websocket-Protocol": {"jwt, e30.e30.x", "a"}}, []string{"jwt, e30.e30.x, a"}, "a"},
		{[]string{"b"}, http.Header{"Sec-Websocket-Protocol": {"a"}}, []string{"b"}, "b"},
		{nil, http.Header{"Sec-WebSocket-Protocol": {"a,,b"}}, []string{"a, b"}, "a"},
		{nil, http.Header{"Sec-Websocket-Protocol": {""}}, nil, ""},
		{[]string{""}, nil, nil, ""},
		{[]string{"", "b"}, nil, []string{"b"}, "b"},
	} {
		seen := make(chan http.Header, 1)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen <- r.Header
			if c, err := Accept(w, r, &AcceptOptions{Subprotocols: []string{"a", "b"}, CompressionMode: CompressionContextTakeover}); err == nil {
				c.CloseNow()
			}
		}))
		c, _, err := Dial(t.Context(), srv.URL, &DialOptions{Subprotocols: tt.options, HTTPHeader: tt.header})
		require.NoError(t, err)
		require.Equal(t, tt.agreed, c.Subprotocol())
		c.CloseNow()
		r := <-seen
		require.Equal(t, tt.offered, r.Values("Sec-WebSocket-Protocol"))
		require.Empty(t, r.Values("Sec-WebSocket-Extensions"))
		srv.Close()
	}
	for _, name := range []string{"Sec-Websocket-Extensions", "sec-websocket-extensions"} {
		_, _, err := Dial(t.Context(), "ws://a.example", &DialOptions{HTTPHeader: http.Header{name: {"permessage-deflate"}}})
		require.ErrorContains(t, err, "HTTPHeader contains Sec-WebSocket-Extensions")
	}
}

// A RoundTripper may serve the request itself, as if it had come over a connection, and make
// the answer up, without what net/http notes of the protocol.
func TestDialRoundTripperThatServes(t *testing.T) {
	serve := roundTripper(func(r *http.Request) (*http.Response, error) {
		client, server := net.Pipe()
		go func() {
			if c, err := Accept(pipedWriter{httptest.NewRecorder(), server}, r, nil); err == nil {
				c.Close(StatusGoingAway, "served")
			}
		}()
		resp, err := http.ReadResponse(bufio.NewReader(client), r)
		if err != nil {
			return nil, err
		}
		return &http.Response{StatusCode: resp.StatusCode, Header: resp.Header, Body: client}, nil
	})
	c, _, err := Dial(t.Context(), "ws://a.example", &DialOptions{HTTPClient: &http.Client{Transport: serve}})
	require.NoError(t, err)
	defer c.CloseNow()
	_, _, err = c.Read(t.Context())
	require.Equal(t, StatusGoingAway, CloseStatus(err))
}

// answering starts a server that answers each request with status 101 and what change
// makes of the proper fields, and then sends tail, in one write.
func answering(t *testing.T, tail []byte, change func(http.Header)) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := httptest.NewRecorder() // has ws make a proper answer
		u := ws.HTTPUpgrader{}
		client, server := net.Pipe()
		go u.Upgrade(r, pipedWriter{seen, server})
		resp, err := http.ReadResponse(bufio.NewReader(client), nil)
		client.Close()
		if err != nil {
			return
		}
		change(resp.Header)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\n")
		resp.Header.Write(rw)
		io.WriteString(rw, "\r\n")
		rw.Write(tail)
		rw.Flush()
		io.Copy(io.Discard, conn)
	}))
	t.Cleanup(srv.Close)
	return srv
}

// pipedWriter is a ResponseWriter whose connection is conn.
type pipedWriter struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (w pipedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.conn, bufio.NewReadWriter(bufio.NewReader(w.conn), bufio.NewWriter(w.conn)), nil
}

// What the server may not answer is refused by name, and the connection closed.
func TestDialRefuses_RFC6455_4_1(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		err         error
	}{
		{"Sec-WebSocket-Protocol", "b", nil},
		{"Sec-WebSocket-Protocol", "c", ws.ErrHandshakeBadSubProtocol},
		{"Sec-WebSocket-Protocol", "a, b", ws.ErrHandshakeBadSubProtocol},
		{"Sec-WebSocket-Extensions", "x-made-up", ws.ErrHandshakeBadExtensions},
		{"Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=16", nil},
		{"Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", ws.ErrHandshakeBadSecAccept},
		{"Upgrade", "h2c", ws.ErrHandshakeBadUpgrade},
		{"Connection", "keep-alive", ws.ErrHandshakeBadConnection},
	} {
		srv := answering(t, nil, func(h http.Header) { h.Set(tt.name, tt.value) })
		c, resp, err := Dial(t.Context(), srv.URL, &DialOptions{
			Subprotocols:    []string{"a", "b"},
			CompressionMode: CompressionContextTakeover,
		})
		require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
		if tt.value == "b" {
			require.NoError(t, err)
			require.Equal(t, "b", c.Subprotocol())
			c.CloseNow()
			continue
		}
		require.Nil(t, c)
		require.ErrorContains(t, err, "websocket: dial: ")
		if tt.err != nil {
			require.ErrorIs(t, err, tt.err)
			require.ErrorContains(t, err, tt.value, "by name")
		}
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Empty(t, body)
		srv.CloseClientConnections() // would hang on a connection left open
		srv.Close()
	}
}

// Frames in one write with the answer arrive.
func TestDialDeliversWhatCameBehindTheAnswer(t *testing.T) {
	var frames []byte
	for _, s := range []string{"one", "two", "three"} {
		frames = ws.AppendFrame(frames, ws.NewTextFrame([]byte(s)))
	}
	srv := answering(t, frames, func(http.Header) {})
	c, _, err := Dial(t.Context(), srv.URL, nil)
	require.NoError(t, err)
	defer c.CloseNow()
	for _, want := range []string{"one", "two", "three"} {
		_, p, err := c.Read(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, string(p))
	}
}

func TestDialRejected(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Why", "because")
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, strings.Repeat("no", 4000))
	}))
	defer srv.Close()
	c, resp, err := Dial(t.Context(), srv.URL, nil)
	require.Nil(t, c)
	refusal, ok := errors.AsType[*ws.ConnectionRejectedError](err)
	require.True(t, ok)
	require.Equal(t, 403, refusal.StatusCode())
	require.Equal(t, "because", refusal.Header().Get("X-Why"))
	require.ErrorIs(t, err, ws.ErrHandshakeBadStatus)
	require.Equal(t, 403, resp.StatusCode)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("no", ws.MaxRefusalBody/2), string(body))
	require.Equal(t, body, refusal.Body())
}

// pipeClient returns a client whose connections are pipes to what listens.
func pipeClient(l pipeListener) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		client, server := net.Pipe()
		select {
		case l <- server:
			return client, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}}
}

// readHead reads the head of a request.
func readHead(conn net.Conn) *http.Request {
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return nil
	}
	return r
}

// Wherever a dial stands when its context ends, it returns at once, and nothing is
// left: synctest would tell of a goroutine.
func TestDialCancelledAtEachStep(t *testing.T) {
	step := map[string]func(conn net.Conn){
		"before the connection": nil,
		"request unread":        func(net.Conn) {},
		"no answer":             func(conn net.Conn) { readHead(conn) },
		"half an answer": func(conn net.Conn) {
			readHead(conn)
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgr")
		},
		"interim answer": func(conn net.Conn) {
			readHead(conn)
			io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\n\r\n")
		},
		"redirect to nowhere": func(conn net.Conn) {
			readHead(conn)
			io.WriteString(conn, "HTTP/1.1 302 Found\r\nLocation: http://b.example/\r\nContent-Length: 0\r\n\r\n")
		},
	}
	reason := errors.New("the user has left")
	for name, serve := range step {
		for _, how := range []string{"cancel", "deadline", "client's timeout"} {
			t.Run(name+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := make(pipeListener)
					client := pipeClient(l)
					closed := make(chan struct{})
					go func() {
						if serve == nil {
							close(closed)
							return
						}
						conn := <-l
						serve(conn)
						time.Sleep(time.Hour)
						_, err := io.Copy(io.Discard, conn) // until the client closes
						require.NoError(t, err)
						conn.Close()
						close(closed)
					}()
					ctx, want := context.Background(), context.DeadlineExceeded
					switch how {
					case "cancel":
						c, cancel := context.WithCancelCause(ctx)
						time.AfterFunc(5*time.Second, func() { cancel(reason) })
						ctx, want = c, context.Canceled
					case "deadline":
						c, cancel := context.WithTimeout(ctx, 5*time.Second)
						defer cancel()
						ctx = c
					default:
						client.Timeout = 5 * time.Second
					}
					begin := time.Now()
					c, _, err := Dial(ctx, "ws://a.example/", &DialOptions{HTTPClient: client})
					require.Nil(t, c)
					require.ErrorIs(t, err, want)
					if how == "cancel" {
						require.ErrorIs(t, err, reason)
					}
					require.Equal(t, 5*time.Second, time.Since(begin))
					client.CloseIdleConnections() // also ends background work of the client
					<-closed
				})
			})
		}
	}
}

// The body of a refusal is not waited for.
func TestDialRejectedWithoutItsBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := make(pipeListener)
		client := pipeClient(l)
		go func() {
			conn := <-l
			readHead(conn)
			io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nno")
			io.Copy(io.Discard, conn)
			conn.Close()
		}()
		begin := time.Now()
		_, resp, err := Dial(context.Background(), "ws://a.example/", &DialOptions{HTTPClient: client})
		require.ErrorIs(t, err, ws.ErrHandshakeBadStatus)
		require.Equal(t, ws.RefusalBodyTimeout, time.Since(begin))
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "no", string(body))
		client.CloseIdleConnections()
	})
}

// Neither the client's timeout nor the end of the context ends a connection.
func TestDialedConnectionOutlivesTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := make(pipeListener)
		srv := &http.Server{Handler: echoing(nil)}
		go srv.Serve(l)
		client := pipeClient(l)
		client.Timeout = time.Second
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		c, _, err := Dial(ctx, "ws://a.example/", &DialOptions{HTTPClient: client})
		require.NoError(t, err)
		time.Sleep(time.Minute)
		cancel()
		synctest.Wait()
		require.NoError(t, c.Write(context.Background(), MessageText, []byte("hi")))
		_, p, err := c.Read(context.Background())
		require.NoError(t, err)
		require.Equal(t, "hi", string(p))
		c.CloseNow()
		close(l)
		srv.Close()
		synctest.Wait()
		require.Equal(t, time.Second, client.Timeout, "the caller's client is as it was")
	})
}

// A read whose context ends leaves a connection that was dialed usable: the deadlines of
// the connection under the answer's body are known.
func TestDialedConnectionSurvivesTheEndOfARead(t *testing.T) {
	for name, srv := range map[string]*httptest.Server{
		"ws":  httptest.NewServer(echoing(nil)),
		"wss": httptest.NewTLSServer(echoing(nil)),
	} {
		t.Run(name, func(t *testing.T) {
			defer srv.Close()
			c, _, err := Dial(t.Context(), srv.URL, &DialOptions{HTTPClient: srv.Client()})
			require.NoError(t, err)
			defer c.CloseNow()
			for range 3 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				_, _, err = c.Read(ctx)
				cancel()
				require.ErrorIs(t, err, context.DeadlineExceeded)
				requireEcho(t, c)
			}
		})
	}
}

// redirecting is a net of named servers for tests of redirects: each host has a handler,
// and the requests are taken down.
type redirecting struct {
	mu   sync.Mutex
	seen []*http.Request
}

// client returns a client for whom every host name leads to the handler.
func (rd *redirecting) client(t *testing.T, h http.Handler) *http.Client {
	note := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rd.mu.Lock()
		rd.seen = append(rd.seen, r)
		rd.mu.Unlock()
		h.ServeHTTP(w, r)
	})
	plain, secure := httptest.NewServer(note), httptest.NewUnstartedServer(note)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	to := func(srv *httptest.Server) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, srv.Listener.Addr().String())
		}
	}
	tr := &http.Transport{DialContext: to(plain)}
	tr.DialTLSContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := to(secure)(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return tls.Client(conn, &tls.Config{InsecureSkipVerify: true}), nil
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func TestDialRedirects(t *testing.T) {
	secrets := http.Header{"Authorization": {"Bearer x"}, "Cookie": {"a=b"}, "Proxy-Authorization": {"Basic y"}, "X-Other": {"z"}}
	for _, tt := range []struct {
		name, from, to string
		followed, told bool // the redirect is, the credentials are
	}{
		{"path", "ws://a.example/", "/there", true, true},
		{"same origin", "ws://a.example/", "http://a.example/there", true, true},
		{"same origin, scheme ws", "ws://a.example/", "ws://a.example/there", true, true},
		{"same origin, scheme wss", "wss://a.example/", "wss://a.example/there", true, true},
		{"other host", "ws://a.example/", "ws://b.example/there", true, false},
		{"host below", "ws://a.example/", "ws://x.a.example/there", true, false},
		{"other port", "ws://a.example/", "ws://a.example:81/there", true, false},
		{"to TLS", "ws://a.example/", "wss://a.example/there", true, false},
		{"with a user", "ws://a.example/", "ws://evil@b.example/there", true, false},
		{"without a scheme", "ws://a.example/", "//b.example/there", true, false},
		{"off TLS", "wss://a.example/", "ws://a.example/there", false, false},
		{"off TLS, http", "https://a.example/", "http://a.example/there", false, false},
		{"other scheme", "ws://a.example/", "ftp://a.example/there", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var rd redirecting
			client := rd.client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/there" {
					closeAtOnce(Accept(w, r, nil))
					return
				}
				http.Redirect(w, r, tt.to, http.StatusFound)
				w.Header().Set("Location", tt.to)
			}))
			c, _, err := Dial(t.Context(), tt.from+"?token=secret", &DialOptions{HTTPClient: client, HTTPHeader: secrets})
			if !tt.followed {
				require.Error(t, err)
				require.Len(t, rd.seen, 1)
				return
			}
			require.NoError(t, err)
			c.CloseNow()
			require.Len(t, rd.seen, 2)
			last := rd.seen[1].Header
			require.Equal(t, "z", last.Get("X-Other"))
			for _, name := range []string{"Authorization", "Cookie", "Proxy-Authorization"} {
				want := ""
				if tt.told {
					want = secrets.Get(name)
				}
				require.Equal(t, want, last.Get(name), name)
			}
			if !tt.told {
				require.Empty(t, last.Get("Referer"))
			}
		})
	}
}

// Credentials do not come back on the way over another origin, and wss stays wss over
// many hops.
func TestDialRedirectChains(t *testing.T) {
	var rd redirecting
	next := map[string]string{"/": "wss://b.example/1", "/1": "wss://a.example/2", "/2": "ws://b.example/3"}
	client := rd.client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", next[r.URL.Path])
		w.WriteHeader(http.StatusTemporaryRedirect)
	}))
	_, _, err := Dial(t.Context(), "wss://a.example/", &DialOptions{HTTPClient: client, HTTPHeader: http.Header{"Authorization": {"x"}}})
	require.ErrorContains(t, err, "redirect from wss to ws")
	require.Len(t, rd.seen, 3)
	require.Equal(t, "x", rd.seen[0].Header.Get("Authorization"))
	require.Empty(t, rd.seen[1].Header.Get("Authorization"))
	require.Empty(t, rd.seen[2].Header.Get("Authorization"))
}

// The client's own word on redirects counts, and so does the usual bound.
func TestDialAsksTheClientAboutRedirects(t *testing.T) {
	var rd redirecting
	client := rd.client(t, http.RedirectHandler("/again", http.StatusFound))
	_, _, err := Dial(t.Context(), "ws://a.example/", &DialOptions{HTTPClient: client})
	require.ErrorContains(t, err, "stopped after 10 redirects")

	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	_, resp, err := Dial(t.Context(), "ws://a.example/", &DialOptions{HTTPClient: client})
	require.ErrorIs(t, err, ws.ErrHandshakeBadStatus)
	require.Equal(t, http.StatusFound, resp.StatusCode)

	no := errors.New("not there")
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return no }
	_, _, err = Dial(t.Context(), "ws://a.example/", &DialOptions{HTTPClient: client})
	require.ErrorIs(t, err, no)
}

// A client that prefers HTTP/2 speaks HTTP/1.1 here.
func TestDialToAServerWithHTTP2(t *testing.T) {
	srv := httptest.NewUnstartedServer(echoing(nil))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	client := srv.Client()
	resp, err := client.Get(srv.URL)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 2, resp.ProtoMajor, "it does prefer it, and has a connection")
	c, resp, err := Dial(t.Context(), srv.URL, &DialOptions{HTTPClient: client})
	require.NoError(t, err)
	require.Equal(t, 1, resp.ProtoMajor)
	requireEcho(t, c)
	require.NoError(t, c.Close(StatusNormalClosure, ""))
}

// What is asked for in TLS and in field Host.
func TestDialNamesTheServer_RFC6455_4_1(t *testing.T) {
	for _, tt := range []struct{ url, host, sni string }{
		{"wss://a.example", "a.example", "a.example"},
		{"wss://a.example:443/", "a.example", "a.example"},
		{"wss://a.example:8443/", "a.example:8443", "a.example"},
		{"wss://a.example./", "a.example.", "a.example"},
		{"wss://127.0.0.1:8443/", "127.0.0.1:8443", ""},
		{"wss://[::1]/", "[::1]", ""},
		{"wss://[fe80::1%25eth0]:8443/", "[fe80::1]:8443", ""},
	} {
		hello, host := make(chan string, 1), make(chan string, 1)
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			host <- r.Host
			closeAtOnce(Accept(w, r, nil))
		}))
		srv.TLS = &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			hello <- h.ServerName
			return nil, nil
		}}
		srv.StartTLS()
		tr := srv.Client().Transport.(*http.Transport)
		tr.TLSClientConfig.InsecureSkipVerify = true
		tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, srv.Listener.Addr().String())
		}
		c, _, err := Dial(t.Context(), tt.url, &DialOptions{HTTPClient: srv.Client()})
		require.NoError(t, err, tt.url)
		c.CloseNow()
		require.Equal(t, tt.host, <-host, tt.url)
		require.Equal(t, tt.sni, <-hello, tt.url)
		srv.Close()
	}
}

// Proxies, cookies and traces of the client work.
func TestDialThroughTheClient(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("first"); err != nil {
			http.SetCookie(w, &http.Cookie{Name: "second", Value: "2"})
		}
		echoing(nil).ServeHTTP(w, r)
	}))
	defer srv.Close()
	tunnels := 0
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		tunnels++
		far, err := net.Dial("tcp", r.Host)
		if err != nil {
			return
		}
		defer far.Close()
		near, rw, _ := http.NewResponseController(w).Hijack()
		defer near.Close()
		fmt.Fprint(near, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { io.Copy(far, rw); far.Close() }()
		io.Copy(near, far)
	}))
	defer proxy.Close()

	client := srv.Client()
	proxyURL, _ := url.Parse(proxy.URL)
	client.Transport.(*http.Transport).Proxy = http.ProxyURL(proxyURL)
	client.Jar, _ = cookiejar.New(nil)
	var got bool
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { got = true }})
	c, _, err := Dial(ctx, srv.URL, &DialOptions{HTTPClient: client})
	require.NoError(t, err)
	requireEcho(t, c)
	require.NoError(t, c.Close(StatusNormalClosure, ""))
	require.Equal(t, 1, tunnels)
	require.True(t, got)
	u, _ := url.Parse(srv.URL)
	require.Len(t, client.Jar.Cookies(u), 1)
}

// A RoundTripper other than http.Transport may not report its connections. The
// body is then the only transport.
func TestDialThroughAnotherRoundTripper(t *testing.T) {
	srv := httptest.NewServer(echoing(nil))
	defer srv.Close()
	tr := &http.Transport{DisableKeepAlives: true}
	hide := func(wrap func(io.ReadWriteCloser) io.ReadCloser) *http.Client {
		return &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := tr.RoundTrip(r.WithContext(context.Background()))
			if err == nil {
				resp.Body = wrap(resp.Body.(io.ReadWriteCloser))
			}
			return resp, err
		})}
	}
	c, _, err := Dial(t.Context(), srv.URL, &DialOptions{HTTPClient: hide(func(rwc io.ReadWriteCloser) io.ReadCloser {
		return struct{ io.ReadWriteCloser }{rwc}
	})})
	require.NoError(t, err)
	requireEcho(t, c)
	require.NoError(t, c.Close(StatusNormalClosure, ""))

	closed := make(chan struct{})
	_, _, err = Dial(t.Context(), srv.URL, &DialOptions{HTTPClient: hide(func(rwc io.ReadWriteCloser) io.ReadCloser {
		return &noting{rwc, closed}
	})})
	require.ErrorContains(t, err, "not an io.Writer")
	<-closed
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// noting is a body that cannot be written to.
type noting struct {
	body   io.ReadCloser
	closed chan struct{}
}

func (n *noting) Read(p []byte) (int, error) { return n.body.Read(p) }
func (n *noting) Close() error               { close(n.closed); return n.body.Close() }
