package serve

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// pipes is a listener whose connections are pipes, which hold nothing and have
// the time of synctest.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// timed is a server in a bubble of synctest.
type timed struct {
	pipes
	*server
	web *http.Server
}

// dial returns the client's side of a new connection.
func (p pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// serveInTime runs test in a bubble of synctest, with a server that has the
// defaults of the flags, changed by change.
func serveInTime(t *testing.T, change func(*options), secure bool, test func(t *testing.T, s timed)) {
	synctest.Test(t, func(t *testing.T) {
		o := &options{compress: "takeover", maxMessage: 16 << 20, shutdown: 5 * time.Second, addr: "127.0.0.1:0", selfSigned: secure}
		if change != nil {
			change(o)
		}
		s, err := newServer(o, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		config, err := o.tls()
		require.NoError(t, err)
		ln := pipes{make(chan net.Conn), make(chan struct{})}
		web, done := s.web(config), make(chan struct{})
		go func() {
			defer close(done)
			if secure {
				web.ServeTLS(ln, "", "")
			} else {
				web.Serve(ln)
			}
		}()
		test(t, timed{ln, s, web})
		s.frames.close()
		s.group.Shutdown(t.Context())
		web.Close()
		<-done
	})
}

// upgrade is the fields of a handshake.
const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

// TestStalledClients has clients that stop at some point of a request: each is
// left at the right time.
func TestStalledClients(t *testing.T) {
	const host = "Host: a.example\r\n"
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "long"), make([]byte, 1<<20), 0o600))
	for _, tt := range []struct {
		name, sent string
		reads      bool // the answer, as it comes
		secure     bool
		want       time.Duration
	}{
		{"says nothing", "", true, false, headTimeout},
		{"says nothing, TLS", "", true, true, headTimeout},
		{"half a head", "GET / HTTP/1.1\r\n" + host, true, false, headTimeout},
		{"half a head of a handshake", "GET /echo HTTP/1.1\r\n" + host + upgrade, true, false, headTimeout},
		{"silent after an answer", "GET /wskit/ HTTP/1.1\r\n" + host + "\r\n", true, false, idleTimeout},
		{"a body that does not come", "GET /wskit/ HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\n", true, false, requestTimeout},
		{"a chunked body that does not come", "POST /long HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n", true, false, requestTimeout},
		{"reads no page", "GET /wskit/ HTTP/1.1\r\n" + host + "\r\n", false, false, writeTimeout},
		{"reads no file", "GET /long HTTP/1.1\r\n" + host + "\r\n", false, false, writeTimeout},
		{"reads no metrics", "GET /metrics HTTP/1.1\r\n" + host + "\r\n", false, false, writeTimeout},
		{"reads no events", "GET /frames?id=x HTTP/1.1\r\n" + host + "\r\n", false, false, writeTimeout},
		{"reads no upgrade", "GET /echo HTTP/1.1\r\n" + host + upgrade + "\r\n", false, false, ws.DefaultHandshakeTimeout},
		{"reads no refusal", "GET /echo HTTP/1.1\r\n" + host + "\r\n", false, false, writeTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			serveInTime(t, func(o *options) { o.static = dir }, tt.secure, func(t *testing.T, s timed) {
				conn := s.dial()
				defer conn.Close()
				began := time.Now()
				if tt.sent != "" {
					_, err := io.WriteString(conn, tt.sent)
					require.NoError(t, err)
				}
				if tt.reads {
					_, err := io.Copy(io.Discard, conn)
					require.NoError(t, err, "it hangs up")
					require.Equal(t, tt.want, time.Since(began))
					return
				}
				time.Sleep(tt.want - 1)
				_, err := conn.Read(make([]byte, 1))
				require.NoError(t, err, "it waits so long")
				time.Sleep(tt.want) // the byte ends the write of no part
				began = time.Now()
				n, err := io.Copy(io.Discard, conn)
				require.NoError(t, err)
				require.Zero(t, n, "it has hung up")
				require.Zero(t, time.Since(began))
			})
		})
	}
}

// TestSteadyClient reads a file over minutes, and gets all of it.
func TestSteadyClient(t *testing.T) {
	dir := t.TempDir()
	const size = 1 << 20
	require.NoError(t, os.WriteFile(filepath.Join(dir, "long"), make([]byte, size), 0o600))
	serveInTime(t, func(o *options) { o.static = dir }, false, func(t *testing.T, s timed) {
		conn := s.dial()
		defer conn.Close()
		br := bufio.NewReaderSize(conn, 32<<10)
		for range 2 { // on one connection, whose context is whole
			began := time.Now()
			io.WriteString(conn, "GET /long HTTP/1.1\r\nHost: a.example\r\n\r\n")
			response, err := http.ReadResponse(br, nil)
			require.NoError(t, err)
			n, p := 0, make([]byte, 32<<10)
			for err == nil {
				var m int
				m, err = io.ReadFull(response.Body, p)
				n += m
				time.Sleep(writeTimeout / 2)
			}
			require.Equal(t, io.EOF, err)
			require.Equal(t, size, n)
			require.Greater(t, time.Since(began), requestTimeout+writeTimeout)
		}
	})
}

// TestSteadyEvents watches for longer than any timeout, and is told of a frame then.
func TestSteadyEvents(t *testing.T) {
	serveInTime(t, nil, false, func(t *testing.T, s timed) {
		conn := s.dial()
		defer conn.Close()
		io.WriteString(conn, "GET /frames?id=x HTTP/1.1\r\nHost: a.example\r\n\r\n")
		br := bufio.NewReader(conn)
		response, err := http.ReadResponse(br, nil)
		require.NoError(t, err)
		lines := bufio.NewScanner(response.Body)
		require.True(t, lines.Scan())
		require.Equal(t, ": watching", lines.Text())
		time.Sleep(time.Hour)

		d := ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return s.dial(), nil }}
		seen, _, _, err := d.Dial(t.Context(), "ws://a.example/echo?id=x")
		require.NoError(t, err)
		defer seen.Close()
		go ws.WriteFrame(seen, ws.MaskFrame(ws.NewPingFrame(nil)))
		go io.Copy(io.Discard, seen)
		for lines.Scan() && !strings.Contains(lines.Text(), `"opcode":"ping"`) {
		}
		require.NoError(t, lines.Err())
		require.Contains(t, lines.Text(), `"direction":"in","opcode":"ping"`)
	})
}

// TestMaxConnectionsDuringHandshake has a client that does not read the answer to
// its handshake: it counts, and no longer than it is there.
func TestMaxConnectionsDuringHandshake(t *testing.T) {
	serveInTime(t, func(o *options) { o.maxConnections = 1 }, false, func(t *testing.T, s timed) {
		first := s.dial()
		_, err := io.WriteString(first, "GET /echo HTTP/1.1\r\nHost: a.example\r\n"+upgrade+"\r\n")
		require.NoError(t, err)
		synctest.Wait()
		d := ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return s.dial(), nil }}
		_, _, _, err = d.Dial(t.Context(), "ws://a.example/echo")
		var refused ws.StatusError
		require.ErrorAs(t, err, &refused)
		require.EqualValues(t, http.StatusServiceUnavailable, refused)
		first.Close()
		synctest.Wait()
		second, _, _, err := d.Dial(t.Context(), "ws://a.example/echo")
		require.NoError(t, err)
		second.Close()
	})
}

// TestUpgradedLivesOn has a connection that is silent for longer than all timeouts
// of net/http: they end with the upgrade.
func TestUpgradedLivesOn(t *testing.T) {
	for _, secure := range []bool{false, true} {
		serveInTime(t, nil, secure, func(t *testing.T, s timed) {
			d := ws.Dialer{
				NetDial:   func(context.Context, string, string) (net.Conn, error) { return s.dial(), nil },
				TLSConfig: &tls.Config{InsecureSkipVerify: true},
			}
			scheme := map[bool]string{false: "ws", true: "wss"}[secure]
			conn, _, hs, err := d.Dial(t.Context(), scheme+"://a.example/echo")
			require.NoError(t, err)
			c, err := websocket.NewConn(conn, nil, hs, ws.StateClientSide, nil)
			require.NoError(t, err)
			defer c.CloseNow()
			for range 3 {
				time.Sleep(time.Hour)
				require.NoError(t, c.Write(t.Context(), websocket.MessageText, []byte("hello")))
				_, p, err := c.Read(t.Context())
				require.NoError(t, err)
				require.Equal(t, "hello", string(p))
			}
		})
	}
}

// TestDeafClients has clients that send a message and read nothing: the server holds
// what it writes to them for 30 s.
func TestDeafClients(t *testing.T) {
	for _, endpoint := range []string{"echo", "chat", "broadcast"} {
		serveInTime(t, nil, false, func(t *testing.T, s timed) {
			d := ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return s.dial(), nil }}
			deaf, _, _, err := d.Dial(t.Context(), "ws://a.example/"+endpoint)
			require.NoError(t, err)
			defer deaf.Close()
			require.NoError(t, ws.WriteFrame(deaf, ws.MaskFrame(ws.NewTextFrame(make([]byte, 60_000)))))
			time.Sleep(29 * time.Second)
			require.Equal(t, 1, s.group.Len(), endpoint)
			time.Sleep(time.Second)
			synctest.Wait()
			require.Zero(t, s.group.Len(), endpoint)
		})
	}
}

// TestEndWithStalledClients ends the server while a member reads nothing, a
// download is stuck, and a page watches: that takes --shutdown-timeout at most.
func TestEndWithStalledClients(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "long"), make([]byte, 1<<20), 0o600))
	serveInTime(t, func(o *options) { o.static = dir }, false, func(t *testing.T, s timed) {
		for _, path := range []string{"/long", "/frames?id=x"} {
			conn := s.dial()
			defer conn.Close()
			io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: a.example\r\n\r\n")
		}
		d := ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return s.dial(), nil }}
		for _, endpoint := range []string{"echo", "chat", "broadcast"} {
			deaf, _, _, err := d.Dial(t.Context(), "ws://a.example/"+endpoint)
			require.NoError(t, err)
			defer deaf.Close()
			require.NoError(t, ws.WriteFrame(deaf, ws.MaskFrame(ws.NewTextFrame([]byte("hello")))))
		}
		synctest.Wait()
		require.Equal(t, 3, s.group.Len())
		began := time.Now()
		require.NoError(t, s.end(s.server, s.web, nil))
		require.LessOrEqual(t, time.Since(began), s.shutdown)
		require.Zero(t, s.group.Len())
	})
}
