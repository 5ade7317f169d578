package wsbridge_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wskit/wskit/internal/heap"
	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/websocket"
	_ "github.com/wskit/wskit/websocket/xconnect" // servers of net/http offer extended CONNECT
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsbridge"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsh2"
)

// side is a server and how it is reached: over HTTP/1.1 or HTTP/2.
type side struct {
	*httptest.Server
	http2 *wsh2.Transport // nil for HTTP/1.1
}

func start(t *testing.T, http2 bool, h http.Handler) side {
	t.Helper()
	s := side{Server: httptest.NewUnstartedServer(h)}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.EnableHTTP2 = http2
	if !http2 {
		s.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
	}
	s.StartTLS()
	if http2 {
		s.http2 = &wsh2.Transport{Dialer: ws.Dialer{TLSConfig: s.trust()}}
	}
	t.Cleanup(s.Close)
	return s
}

func (s side) Close() {
	if s.http2 != nil {
		s.http2.Close()
	}
	s.CloseClientConnections()
	s.Server.Close()
}

func (s side) trust() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return &tls.Config{RootCAs: pool}
}

// dial opens a WebSocket to the server.
func (s side) dial(t *testing.T, opts websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	if opts.HTTPClient = s.Client(); s.http2 != nil {
		opts.Transport = s.http2
	}
	return websocket.Dial(t.Context(), s.URL+"/path?q=1", &opts)
}

// bridge starts a bridge to the backend.
func bridge(t *testing.T, http2 bool, backend side, h *wsbridge.Handler) side {
	t.Helper()
	h.OnError = func(_ *http.Request, err error) { t.Log(err) }
	h.Backend = func(r *http.Request) (*url.URL, error) { return url.Parse(backend.URL + r.URL.RequestURI()) }
	if backend.http2 != nil {
		h.Transport = backend.http2
	} else {
		h.Dialer.TLSConfig = backend.trust()
	}
	return start(t, http2, h)
}

// pairs runs a test for each version of HTTP in front and behind.
func pairs(t *testing.T, f func(t *testing.T, front, back bool)) {
	for name, v := range map[string][2]bool{
		"1.1 to 1.1": {false, false}, "1.1 to 2": {false, true}, "2 to 1.1": {true, false}, "2 to 2": {true, true},
	} {
		t.Run(name, func(t *testing.T) { f(t, v[0], v[1]) })
	}
}

// echoing accepts with all that can be agreed on, and echoes.
func echoing(mode websocket.CompressionMode) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "backend", Value: r.Header.Get("X-Own")})
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			Subprotocols: []string{"b"}, CompressionMode: mode, ConnOptions: websocket.ConnOptions{ReadLimit: -1},
		})
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
	})
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

func TestBridge(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	pairs(t, func(t *testing.T, front, back bool) {
		for _, compression := range []*wsflate.Parameters{nil, {ServerNoContextTakeover: true, ClientNoContextTakeover: true}} {
			mode := websocket.CompressionContextTakeover
			if compression != nil {
				mode = websocket.CompressionDisabled // and the bridge compresses
			}
			backend := start(t, back, echoing(mode))
			proxy := bridge(t, front, backend, &wsbridge.Handler{Compression: compression})
			c, resp, err := proxy.dial(t, websocket.DialOptions{
				CompressionMode: websocket.CompressionContextTakeover, Subprotocols: []string{"a", "b"},
				HTTPHeader: http.Header{"X-Own": {"own"}}, ConnOptions: websocket.ConnOptions{ReadLimit: -1},
			})
			require.NoError(t, err)
			require.Equal(t, "b", c.Subprotocol())
			require.Equal(t, "backend", resp.Cookies()[0].Name)
			require.Equal(t, "own", resp.Cookies()[0].Value, "fields of the request arrive")
			require.Contains(t, resp.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate")
			for _, size := range []int{0, 1, 125, 126, 4096, 1 << 20} {
				requireEcho(t, c, bytes.Repeat([]byte("wskit "), size)[:size])
			}
			ctx := c.CloseRead(t.Context())
			require.NoError(t, c.Ping(t.Context()))
			require.NoError(t, c.Close(4321, "a reason"))
			<-ctx.Done()
			proxy.Close()
			backend.Close()
		}
	})
}

// A close frame passes with its code and reason, from either side.
func TestClosePasses(t *testing.T) {
	pairs(t, func(t *testing.T, front, back bool) {
		got := make(chan error, 1)
		backend := start(t, back, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer c.CloseNow()
			if r.Header.Get("X-First") == "backend" {
				c.Close(4001, "from the backend")
				return
			}
			_, _, err = c.Read(context.Background())
			got <- err
		}))
		proxy := bridge(t, front, backend, &wsbridge.Handler{})
		c, _, err := proxy.dial(t, websocket.DialOptions{HTTPHeader: http.Header{"X-First": {"backend"}}})
		require.NoError(t, err)
		_, _, err = c.Read(t.Context())
		require.Equal(t, websocket.CloseError{Code: 4001, Reason: "from the backend"}, asClose(err))

		c, _, err = proxy.dial(t, websocket.DialOptions{})
		require.NoError(t, err)
		require.NoError(t, c.Close(4002, "from the client"))
		require.Equal(t, websocket.CloseError{Code: 4002, Reason: "from the client"}, asClose(<-got))
	})
}

func asClose(err error) websocket.CloseError {
	e, _ := errors.AsType[websocket.CloseError](err)
	return e
}

// The loss of one side is the loss of the other: no close frame is made up.
func TestLossPasses(t *testing.T) {
	pairs(t, func(t *testing.T, front, back bool) {
		got := make(chan error, 1)
		backend := start(t, back, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			c.Read(context.Background())
			if r.Header.Get("X-First") != "backend" {
				_, _, err = c.Read(context.Background())
				got <- err
			}
			c.CloseNow()
		}))
		proxy := bridge(t, front, backend, &wsbridge.Handler{})
		c, _, err := proxy.dial(t, websocket.DialOptions{HTTPHeader: http.Header{"X-First": {"backend"}}})
		require.NoError(t, err)
		require.NoError(t, c.Write(t.Context(), websocket.MessageText, nil))
		_, _, err = c.Read(t.Context())
		require.ErrorContains(t, err, "without a close frame")

		c, _, err = proxy.dial(t, websocket.DialOptions{})
		require.NoError(t, err)
		require.NoError(t, c.Write(t.Context(), websocket.MessageText, nil))
		c.CloseNow()
		require.ErrorContains(t, <-got, "without a close frame")
	})
}

func TestRefusals(t *testing.T) {
	backend := start(t, false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7")
		http.Error(w, "not you", http.StatusForbidden)
	}))
	broken := errors.New("secret")
	for _, tt := range []struct {
		name    string
		handler *wsbridge.Handler
		status  int
		body    string
	}{
		{"the backend refuses", &wsbridge.Handler{
			Backend: func(*http.Request) (*url.URL, error) { return url.Parse(backend.URL) },
			Dialer:  ws.Dialer{TLSConfig: backend.trust()},
		}, 403, "not you"},
		{"no backend", &wsbridge.Handler{}, 500, ""},
		{"error of Backend", &wsbridge.Handler{Backend: func(*http.Request) (*url.URL, error) { return nil, broken }}, 502, "Bad Gateway"},
		{"refusal of Backend", &wsbridge.Handler{Backend: func(*http.Request) (*url.URL, error) {
			return nil, ws.RejectConnectionError(ws.RejectionStatus(404), ws.RejectionBody([]byte("no such room")))
		}}, 404, "no such room"},
		{"out of reach", &wsbridge.Handler{Backend: func(*http.Request) (*url.URL, error) { return url.Parse("ws://127.0.0.1:1") }}, 502, "Bad Gateway"},
		{"timeout", &wsbridge.Handler{
			Backend: func(*http.Request) (*url.URL, error) { return url.Parse(backend.URL) },
			Dialer:  ws.Dialer{Timeout: time.Nanosecond},
		}, 504, "Gateway Timeout"},
		{"bad URL", &wsbridge.Handler{Backend: func(*http.Request) (*url.URL, error) { return url.Parse("ftp://a") }}, 502, "Bad Gateway"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, http2 := range []bool{false, true} {
				proxy := start(t, http2, tt.handler)
				_, resp, err := proxy.dial(t, websocket.DialOptions{})
				require.Error(t, err)
				require.NotNil(t, resp, "%v", err)
				require.Equal(t, tt.status, resp.StatusCode)
				p, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.Contains(t, string(p), tt.body)
				require.NotContains(t, string(p), "secret")
				if tt.status == 403 {
					require.Equal(t, "7", resp.Header.Get("Retry-After"))
				}
			}
		})
	}
	t.Run("no handshake", func(t *testing.T) {
		asked := false
		proxy := start(t, false, &wsbridge.Handler{Backend: func(*http.Request) (*url.URL, error) {
			asked = true
			return nil, broken
		}})
		resp, err := proxy.Client().Get(proxy.URL)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusUpgradeRequired, resp.StatusCode)
		require.False(t, asked)
	})
}

// A stream without deadlines would end with the timeouts of the server. It is
// refused, and the backend is not asked.
func TestMiddlewareWithoutUnwrap(t *testing.T) {
	h := &wsbridge.Handler{Backend: func(*http.Request) (*url.URL, error) {
		t.Error("the backend was asked")
		return nil, errors.New("no backend")
	}}
	proxy := start(t, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(struct {
			http.ResponseWriter
			http.Flusher
		}{w, w.(http.Flusher)}, r)
	}))
	_, resp, err := proxy.dial(t, websocket.DialOptions{})
	require.Error(t, err)
	require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
}

// Offers go to the backend as the client makes them; what the bridge cannot
// follow, and what concerns the connection to it, does not.
func TestOffersPass(t *testing.T) {
	got := make(chan *http.Request, 1)
	backend := start(t, false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r
		http.Error(w, "", http.StatusTeapot)
	}))
	proxy := bridge(t, false, backend, &wsbridge.Handler{Rewrite: func(r *http.Request, h http.Header) {
		h.Set("X-Forwarded-For", "192.0.2.1")
	}})
	r, err := http.NewRequest(http.MethodGet, proxy.URL+"/room?x=%20", nil)
	require.NoError(t, err)
	r.Header = http.Header{
		"Connection": {"Upgrade, X-Hop"}, "Upgrade": {"websocket"}, "X-Hop": {"1"}, "X-Own": {"2"}, "Origin": {"https://a.example"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Protocol": {"a, b"},
		"Sec-Websocket-Extensions": {`x-other, permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate; client_max_window_bits`},
		"Cookie":                   {"a=1"}, "User-Agent": {"me"},
	}
	resp, err := proxy.Client().Do(r)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusTeapot, resp.StatusCode)
	b := <-got
	require.Equal(t, "/room?x=%20", b.URL.RequestURI())
	require.Equal(t, "permessage-deflate;client_max_window_bits;server_max_window_bits=10,permessage-deflate;client_max_window_bits",
		strings.ReplaceAll(strings.Join(b.Header["Sec-Websocket-Extensions"], ","), " ", ""))
	require.Equal(t, "a,b", strings.ReplaceAll(b.Header.Get("Sec-Websocket-Protocol"), " ", ""))
	require.NotEqual(t, r.Header["Sec-Websocket-Key"], b.Header["Sec-Websocket-Key"])
	require.NotContains(t, b.Header, "X-Hop")
	for name, want := range map[string]string{"X-Own": "2", "Origin": "https://a.example", "Cookie": "a=1", "User-Agent": "me", "X-Forwarded-For": "192.0.2.1"} {
		require.Equal(t, []string{want}, b.Header[name])
	}
}

// A message that is too long ends the bridge: its sender gets 1009, the other
// side 1001.
func TestReadLimit(t *testing.T) {
	pairs(t, func(t *testing.T, front, back bool) {
		for _, compression := range []*wsflate.Parameters{nil, new(wsflate.Parameters)} {
			got := make(chan error, 1)
			backend := start(t, back, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := websocket.Accept(w, r, nil)
				if err != nil {
					return
				}
				defer c.CloseNow()
				for err == nil {
					_, _, err = c.Read(context.Background())
				}
				got <- err
			}))
			proxy := bridge(t, front, backend, &wsbridge.Handler{ReadLimit: 1000, Compression: compression})
			c, _, err := proxy.dial(t, websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover})
			require.NoError(t, err)
			require.NoError(t, c.Write(t.Context(), websocket.MessageBinary, make([]byte, 1000)))
			require.NoError(t, c.Write(t.Context(), websocket.MessageBinary, make([]byte, 1001)))
			_, _, err = c.Read(t.Context())
			require.Equal(t, websocket.StatusMessageTooBig, websocket.CloseStatus(err), "%v", err)
			err = <-got
			require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err), "%v, compression %t", err, compression != nil)
		}
	})
}

func TestIdleTimeout(t *testing.T) {
	pairs(t, func(t *testing.T, front, back bool) {
		backend := start(t, back, echoing(websocket.CompressionDisabled))
		proxy := bridge(t, front, backend, &wsbridge.Handler{IdleTimeout: 100 * time.Millisecond})
		c, _, err := proxy.dial(t, websocket.DialOptions{})
		require.NoError(t, err)
		_, _, err = c.Read(t.Context())
		require.Equal(t, websocket.CloseError{Code: websocket.StatusGoingAway, Reason: "idle"}, asClose(err))
	})
}

// A client that does not read stops its backend, and nothing piles up in
// between.
func TestBackpressure(t *testing.T) {
	pairs(t, func(t *testing.T, front, back bool) {
		stuck := make(chan error, 1)
		backend := start(t, back, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{WriteTimeout: 500 * time.Millisecond}})
			if err != nil {
				return
			}
			defer c.CloseNow()
			c.CloseRead(context.Background())
			p := make([]byte, 64<<10)
			for range 4096 { // 256 MiB
				if err = c.Write(context.Background(), websocket.MessageBinary, p); err != nil {
					break
				}
			}
			stuck <- err
		}))
		proxy := bridge(t, front, backend, &wsbridge.Handler{})
		before := heap.InUse()
		c, _, err := proxy.dial(t, websocket.DialOptions{})
		require.NoError(t, err)
		require.Error(t, <-stuck, "the backend could write 256 MiB that nobody reads")
		grown := heap.InUse() - before
		if !race.Enabled {
			require.Less(t, grown, int64(8<<20), "bytes held on the way of 256 MiB")
		}
		c.CloseNow()
	})
}

// A bridge that waits holds little, with both of its connections and their
// ends.
func TestIdleMemory(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector needs memory of its own")
	}
	pairs(t, func(t *testing.T, front, back bool) {
		backend := start(t, back, echoing(websocket.CompressionDisabled))
		proxy := bridge(t, front, backend, new(wsbridge.Handler))
		open := func(n int) {
			for range n {
				c, _, err := proxy.dial(t, websocket.DialOptions{})
				require.NoError(t, err)
				t.Cleanup(func() { c.CloseNow() })
				requireEcho(t, c, make([]byte, 20<<10))
				requireEcho(t, c, []byte("small"))
			}
		}
		open(5)
		before := heap.InUse()
		const conns = 40
		open(conns)
		each := (heap.InUse() - before) / conns
		require.Less(t, each, int64(128<<10), "most of it is TLS; buffers that stayed large would be 64 KiB more")
	})
}

// A client that breaks the protocol is told so, and its backend is not.
func TestFaultOfTheClient(t *testing.T) {
	got := make(chan error, 1)
	backend := start(t, false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		_, _, err = c.Read(context.Background())
		got <- err
	}))
	proxy := bridge(t, false, backend, &wsbridge.Handler{})
	d := ws.Dialer{TLSConfig: proxy.trust()}
	conn, _, _, err := d.Dial(t.Context(), proxy.URL)
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte{0x83, 0x80, 0, 0, 0, 0}) // opcode 3
	require.NoError(t, err)
	f, err := ws.ReadFrame(conn)
	require.NoError(t, err)
	code, _ := ws.ParseCloseFrameData(f.Payload)
	require.Equal(t, ws.StatusProtocolError, code)
	require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(<-got))
}
