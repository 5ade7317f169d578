package reconnect

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wstest"
	"github.com/wskit/wskit/ws"
)

// address is where one server after the other listens.
type address struct {
	current atomic.Pointer[wstest.Listener]
}

func (a *address) listen() *wstest.Listener {
	l := wstest.Listen(nil)
	a.current.Store(l)
	return l
}

func (a *address) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if l := a.current.Load(); l != nil {
		conn, err := l.DialContext(ctx, network, addr)
		if !errors.Is(err, net.ErrClosed) {
			return conn, err
		}
	}
	return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}

// deaths are what a server does with its connection until it is killed: it is closed when
// the function returns.
var deaths = []struct {
	name   string
	secure bool // only with TLS; raw is the connection below
	live   func(conn, raw net.Conn)
}{
	{"after accept", false, func(net.Conn, net.Conn) {}},
	{"in the ClientHello", true, func(_, raw net.Conn) { io.ReadFull(raw, make([]byte, 20)) }},
	{"after the ClientHello", true, func(_, raw net.Conn) { raw.Read(make([]byte, 10_000)) }},
	{"in the ServerHello", true, func(_, raw net.Conn) {
		cut := wstest.InjectFault(raw, wstest.Fault{Kind: wstest.FaultCut, Write: true, At: 100})
		tls.Server(cut, certificate.TLS).Handshake()
	}},
	{"after the TLS handshake", true, func(conn, _ net.Conn) { conn.(*tls.Conn).Handshake() }},
	{"in the request", false, func(conn, _ net.Conn) { io.ReadFull(conn, make([]byte, 20)) }},
	{"before the answer", false, func(conn, _ net.Conn) { http.ReadRequest(bufio.NewReader(conn)) }},
	{"in the answer", false, func(conn, _ net.Conn) {
		http.ReadRequest(bufio.NewReader(conn))
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso")
	}},
	{"stops during the answer", false, func(conn, _ net.Conn) {
		http.ReadRequest(bufio.NewReader(conn))
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso")
		time.Sleep(time.Hour)
	}},
	{"overloaded", false, func(conn, _ net.Conn) {
		http.ReadRequest(bufio.NewReader(conn))
		io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n")
	}},
	{"after 101", false, after("")},
	{"in a header", false, after("\x81")},
	{"in a message", false, after("\x81\x05hel")},
	{"between fragments", false, after("\x01\x05hello")},
	{"after a message", false, after("\x81\x05hello")},
	{"stops in a message", false, func(conn, raw net.Conn) {
		after("\x81\x05hel")(conn, raw)
		time.Sleep(time.Hour)
	}},
	{"in a close frame", false, after("\x88\x02\x03")},
	{"in the closing handshake, going away", false, after("\x88\x02\x03\xe9")},
	{"in the closing handshake, restart", false, after("\x88\x02\x03\xf4")},
	{"after the closing handshake", false, func(conn, raw net.Conn) {
		after("\x88\x02\x03\xe9")(conn, raw)
		io.Copy(io.Discard, conn)
	}},
}

// after returns what a server does that sends these bytes after its answer.
func after(frames string) func(conn, raw net.Conn) {
	return func(conn, _ net.Conn) {
		if _, err := ws.Upgrade(conn); err == nil {
			io.WriteString(conn, frames)
		}
	}
}

// certificate lends its certificate for example.com.
var certificate = func() *httptest.Server {
	s := httptest.NewTLSServer(nil)
	s.Close()
	return s
}()

// A server that is killed in any state, and comes back a few seconds later, costs a client
// nothing but those.
func TestServerKilled(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "clear", true: "TLS"}[secure], func(t *testing.T) {
			t.Run("before accept", func(t *testing.T) { killed(t, secure, nil) })
			for _, death := range deaths {
				if secure || !death.secure {
					t.Run(death.name, func(t *testing.T) { killed(t, secure, death.live) })
				}
			}
		})
	}
}

func killed(t *testing.T, secure bool, live func(conn, raw net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		var at address
		if live != nil {
			first, dead := at.listen(), make(chan struct{})
			defer func() { <-dead }()
			go func() {
				defer close(dead)
				raw, _ := first.Accept()
				first.Close()
				conn := raw
				if secure {
					conn = tls.Server(raw, certificate.TLS)
				}
				live(conn, raw)
				raw.Close()
			}()
		}
		url := "ws://example.com"
		if secure {
			url = "wss://example.com"
		}
		transport := &http.Transport{DialContext: at.dial, TLSClientConfig: certificate.Client().Transport.(*http.Transport).TLSClientConfig}
		failures := 0
		c := New(url, &Options{
			DialOptions: &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}, ConnOptions: websocket.ConnOptions{KeepAlive: 10 * time.Second}},
			OnConnect: func(ctx context.Context, conn *websocket.Conn) error {
				return conn.Write(ctx, websocket.MessageText, []byte("hello again"))
			},
			OnRetry: func(_ context.Context, err error, pause time.Duration) error {
				if failures++; failures == 3 { // it comes back while the client waits
					serveEcho(t, at.listen(), secure)
				}
				return nil
			},
		})
		start := time.Now()
		var got []string
		require.NoError(t, c.Run(t.Context(), func(ctx context.Context, conn *websocket.Conn) error {
			for {
				_, p, err := conn.Read(ctx)
				if err != nil {
					return err
				}
				if got = append(got, string(p)); got[len(got)-1] == "hello again" {
					return nil
				}
			}
		}))
		require.Equal(t, 3, failures)
		require.Contains(t, got, "hello again")
		require.Less(t, time.Since(start), time.Minute)
	})
}

// serveEcho serves clients until the test ends.
func serveEcho(t *testing.T, l net.Listener, secure bool) {
	s := &http.Server{Handler: http.HandlerFunc(echo), TLSConfig: certificate.TLS}
	if secure {
		go s.ServeTLS(l, "", "")
	} else {
		go s.Serve(l)
	}
	t.Cleanup(func() { s.Close() })
}

func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for m, err := range conn.Messages(r.Context()) {
		if err != nil || conn.Write(r.Context(), m.Type, m.Data) != nil {
			return
		}
	}
}
