package wsh2_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wstest"
	"github.com/wskit/wskit/websocket/xconnect" // the server of net/http offers extended CONNECT
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsh2"
)

// serving starts a server of HTTP/2 over TLS that gives each WebSocket to
// serve.
func serving(t *testing.T, config *http.HTTP2Config, serve func(c *websocket.Conn, r *http.Request)) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			Subprotocols: []string{"b"}, CompressionMode: websocket.CompressionContextTakeover,
			ConnOptions: websocket.ConnOptions{ReadLimit: -1},
		})
		if err == nil {
			serve(c, r)
			c.CloseNow()
		}
	}))
	srv.EnableHTTP2 = true
	srv.Config.HTTP2 = config
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

// echo returns every message until the connection ends.
func echo(c *websocket.Conn, r *http.Request) {
	for {
		typ, p, err := c.Read(r.Context())
		if err != nil || c.Write(r.Context(), typ, p) != nil {
			return
		}
	}
}

// transport returns a Transport that trusts srv, which ends with the test.
func transport(t *testing.T, srv *httptest.Server) *wsh2.Transport {
	t.Helper()
	tr := &wsh2.Transport{Dialer: ws.Dialer{TLSConfig: srv.Client().Transport.(*http.Transport).TLSClientConfig}}
	t.Cleanup(func() { tr.Close() })
	return tr
}

func dial(t *testing.T, srv *httptest.Server, tr *wsh2.Transport) *websocket.Conn {
	t.Helper()
	c, resp, err := websocket.Dial(t.Context(), srv.URL, &websocket.DialOptions{
		Transport: tr, ConnOptions: websocket.ConnOptions{ReadLimit: -1},
	})
	require.NoError(t, err)
	require.Equal(t, "HTTP/2.0", resp.Proto)
	require.NotNil(t, resp.TLS)
	return c
}

func requireEcho(t *testing.T, c *websocket.Conn, p []byte) {
	t.Helper()
	wrote := make(chan error, 1)
	go func() { wrote <- c.Write(t.Context(), websocket.MessageBinary, p) }()
	_, got, err := c.Read(t.Context())
	require.NoError(t, err)
	require.NoError(t, <-wrote)
	require.True(t, bytes.Equal(p, got))
}

func TestDial(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	srv := serving(t, nil, echo)
	defer srv.Close()
	tr := transport(t, srv)
	defer tr.Close()
	c := dial(t, srv, tr)
	for _, size := range []int{0, 1, 125, 126, 16383, 16384, 65535, 65536, 3 << 20} {
		requireEcho(t, c, bytes.Repeat([]byte{'x'}, size))
	}
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
}

func TestContextBetweenMessagesLeavesTheConnectionUsable(t *testing.T) {
	srv := serving(t, nil, echo)
	c := dial(t, srv, transport(t, srv))
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		read := make(chan error)
		go func() {
			_, _, err := c.Read(ctx)
			read <- err
		}()
		cancel()
		require.ErrorIs(t, <-read, context.Canceled)
		requireEcho(t, c, []byte("still here"))
	}
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
}

func TestManyShareConnections(t *testing.T) {
	var conns atomic.Int32
	srv := serving(t, nil, echo)
	tr := transport(t, srv)
	tr.Dialer.WrapConn = func(c net.Conn) net.Conn {
		conns.Add(1)
		return c
	}
	var wg sync.WaitGroup
	for i := range 300 { // more than the 250 of net/http
		wg.Go(func() {
			c := dial(t, srv, tr)
			for range 3 {
				requireEcho(t, c, bytes.Repeat([]byte{byte(i)}, 1000))
			}
			defer c.CloseNow()
			for range 2 {
				requireEcho(t, c, []byte("x"))
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, conns.Load(), int32(2))
	require.GreaterOrEqual(t, conns.Load(), int32(1))
}

// One WebSocket is not read, on either side. The others continue.
func TestUnreadWebSocketStallsNoSibling(t *testing.T) {
	const streamWindow = 64 << 10
	for _, side := range []string{"client", "server"} {
		t.Run(side+" does not read", func(t *testing.T) {
			stuck := make(chan struct{})
			config := &http.HTTP2Config{MaxReceiveBufferPerStream: streamWindow, MaxReceiveBufferPerConnection: 251 * streamWindow}
			srv := serving(t, config, func(c *websocket.Conn, r *http.Request) {
				switch {
				case r.URL.Path != "/unread":
					echo(c, r)
				case side == "client":
					for c.Write(r.Context(), websocket.MessageBinary, make([]byte, 64<<10)) == nil {
					}
				default:
					<-stuck
				}
			})
			tr := transport(t, srv)
			unread, _, err := websocket.Dial(t.Context(), srv.URL+"/unread", &websocket.DialOptions{Transport: tr})
			require.NoError(t, err)
			defer unread.CloseNow()
			defer close(stuck)
			ctx, cancel := context.WithCancel(t.Context())
			wrote := make(chan error, 1)
			if side == "server" {
				go func() {
					var err error
					for err == nil {
						err = unread.Write(ctx, websocket.MessageBinary, make([]byte, 64<<10))
					}
					wrote <- err
				}()
			}
			sibling := dial(t, srv, tr)
			for range 40 {
				requireEcho(t, sibling, make([]byte, 256<<10))
			}
			cancel()
			if side == "server" {
				require.ErrorIs(t, <-wrote, context.Canceled)
			}
			requireEcho(t, sibling, []byte("still"))
			require.NoError(t, sibling.Close(websocket.StatusNormalClosure, ""))
		})
	}
}

// A server that chooses HTTP/1.1 in TLS is dialed again with that, if the
// program asks for it.
func TestFallback(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		echo(c, r)
	}))
	defer srv.Close()
	tr := transport(t, srv)
	opts := &websocket.DialOptions{Transport: tr, HTTPClient: srv.Client()}
	_, _, err := websocket.Dial(t.Context(), srv.URL, opts)
	require.ErrorIs(t, err, websocket.ErrNoExtendedConnect)
	opts.Fallback = true
	c, resp, err := websocket.Dial(t.Context(), srv.URL, opts)
	require.NoError(t, err)
	require.Equal(t, 1, resp.ProtoMajor)
	requireEcho(t, c, []byte("x"))
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
}

// HTTP/2 goes over TLS through a proxy that is told to CONNECT.
func TestProxy(t *testing.T) {
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		out, err := net.Dial("tcp", r.Host)
		if r.Method != http.MethodConnect || err != nil {
			http.Error(w, "no", http.StatusBadGateway)
			return
		}
		in, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		fmt.Fprint(in, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			io.Copy(out, in)
			out.Close()
		}()
		io.Copy(in, out)
		in.Close()
	}))
	defer proxy.Close()
	u, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	srv := serving(t, nil, echo)
	tr := transport(t, srv)
	tr.Dialer.Proxy = http.ProxyURL(u)
	for range 2 {
		c := dial(t, srv, tr)
		requireEcho(t, c, []byte("through the proxy"))
		require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
	}
	require.Equal(t, int32(1), asked.Load())
	tr.Close()
}

func TestCertificateIsChecked(t *testing.T) {
	srv := serving(t, nil, echo)
	tr := new(wsh2.Transport)
	defer tr.Close()
	_, _, err := websocket.Dial(t.Context(), srv.URL, &websocket.DialOptions{Transport: tr, Fallback: true})
	var unknown *tls.CertificateVerificationError
	require.ErrorAs(t, err, &unknown)
}

// An abrupt end of the server is not a clean end of the WebSocket.
func TestServerIsKilled(t *testing.T) {
	srv := serving(t, nil, func(c *websocket.Conn, r *http.Request) {
		switch r.URL.Path {
		case "/abort":
			c.Read(r.Context())
			panic(http.ErrAbortHandler)
		case "/return":
			c.Read(r.Context())
		default:
			echo(c, r)
		}
	})
	tr := transport(t, srv)
	for _, path := range []string{"/abort", "/return"} {
		c, _, err := websocket.Dial(t.Context(), srv.URL+path, &websocket.DialOptions{Transport: tr})
		require.NoError(t, err)
		require.NoError(t, c.Write(t.Context(), websocket.MessageText, []byte("go")))
		_, _, err = c.Read(t.Context())
		require.ErrorContains(t, err, "reset the stream")
		require.Equal(t, websocket.StatusCode(-1), websocket.CloseStatus(err))
	}
	c := dial(t, srv, tr)
	srv.CloseClientConnections()
	_, _, err := c.Read(t.Context())
	require.ErrorContains(t, err, "the peer has gone without a close frame")
	require.ErrorContains(t, c.Write(t.Context(), websocket.MessageText, nil), "write")
	again := dial(t, srv, tr)
	requireEcho(t, again, []byte("over a new connection"))
	again.CloseNow()
}

// conformance are the areas of the suite without those of the largest messages.
const conformance = "^(client|close|deflate/[^b]|fragment|frame|opcode|ping|pong|response|rsv|state|utf8)"

// Our server passes over HTTP/2 what it passes over HTTP/1.1.
func TestConformance(t *testing.T) {
	srv := serving(t, nil, echo)
	report, err := wstest.RunServer(t.Context(), srv.URL, &wstest.Options{
		Filter: conformance, Parallel: 64, Timeout: 2 * time.Minute,
		Transport: transport(t, srv),
	})
	require.NoError(t, err)
	counts := report.Agents[0].Counts
	require.Zero(t, counts.Failed)
	require.Greater(t, counts.Strict, 500)
}

// Our client passes over HTTP/2 what it passes over HTTP/1.1.
func TestClientConformance_RFC8441(t *testing.T) {
	srv := httptest.NewUnstartedServer(nil)
	srv.EnableHTTP2 = true
	xconnect.Configure(srv.Config)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer srv.Close()
	var tr *wsh2.Transport
	o := &wstest.Options{MaxMessage: 1 << 20, RequireCompression: true, Timeout: 2 * time.Minute}
	if race.Enabled { // where frames take a hundred times as long
		o.Filter = "^(client|close|ping|response|rsv)/"
	}
	o.Serve = func(handler http.Handler) (string, func(), error) {
		srv.Config.Handler = handler
		srv.StartTLS()
		tr = transport(t, srv)
		return srv.URL, srv.Close, nil
	}
	report, err := wstest.RunClient(t.Context(), func(base string) error {
		return wstest.DriveClientOver(t.Context(), tr, base, 16, func(ctx context.Context, url string) error {
			c, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{
				Transport: tr, CompressionMode: websocket.CompressionContextTakeover, ConnOptions: websocket.ConnOptions{ReadLimit: 1 << 20},
			})
			if err != nil {
				return err
			}
			defer c.CloseNow()
			if resp.ProtoMajor != 2 {
				panic(resp.Proto)
			}
			for m, err := range c.Messages(ctx) {
				if err != nil || c.Write(ctx, m.Type, m.Data) != nil {
					return err
				}
			}
			return nil
		})
	}, o)
	require.NoError(t, err)
	for _, r := range report.Agents[0].Results {
		if r.Verdict == wstest.Failed {
			t.Errorf("%s: %s", r.Case.ID, r.Detail)
		}
	}
	require.Greater(t, report.Agents[0].Counts.Strict, 150)
}
