package wsh3

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/xconnect"
	"github.com/wskit/wskit/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var background = context.Background()

// server is a server of HTTP/3, and of HTTP/1.1 and HTTP/2 at the same port
// number.
type server struct {
	h3     *http3.Server
	tcp    *httptest.Server
	url    string
	client *tls.Config

	mu    sync.Mutex
	conns []*quic.Conn
}

// awaitClosed waits until the clients have closed all connections.
func (s *server) awaitClosed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		<-c.Context().Done()
	}
}

func serve(t testing.TB, h http.HandlerFunc, config *quic.Config) *server {
	s := &server{tcp: httptest.NewUnstartedServer(h)}
	s.tcp.EnableHTTP2 = true
	xconnect.Configure(s.tcp.Config)
	s.tcp.StartTLS()
	s.client = s.tcp.Client().Transport.(*http.Transport).TLSClientConfig
	conn, err := net.ListenPacket("udp", s.tcp.Listener.Addr().String())
	require.NoError(t, err)
	s.h3 = &http3.Server{Handler: h, TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: s.tcp.TLS.Certificates}), QUICConfig: config}
	s.h3.ConnContext = func(ctx context.Context, c *quic.Conn) context.Context {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.conns = append(s.conns, c)
		return ctx
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		s.h3.Serve(conn)
	}()
	s.url = "wss://" + s.tcp.Listener.Addr().String()
	t.Cleanup(func() {
		s.h3.Close()
		conn.Close()
		<-served
		s.tcp.Close()
	})
	return s
}

// transport returns a client that trusts the server.
func (s *server) transport(t testing.TB) *Transport {
	tr := &Transport{TLSConfig: s.client}
	t.Cleanup(func() { tr.Close() })
	return tr
}

func dial(t testing.TB, s *server, tr *Transport, path string, o *websocket.DialOptions) *websocket.Conn {
	if o == nil {
		o = new(websocket.DialOptions)
	}
	o.Transport = tr
	c, resp, err := websocket.Dial(background, s.url+path, o)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, 3, resp.ProtoMajor)
	t.Cleanup(func() { c.CloseNow() })
	return c
}

func echo(c *websocket.Conn) error {
	for m, err := range c.Messages(background) {
		if err == nil {
			err = c.Write(background, m.Type, m.Data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// echoing is a handler that leaves each connection to a goroutine.
func echoing(accept func(http.ResponseWriter, *http.Request, *websocket.AcceptOptions) (*websocket.Conn, error), stay bool, o *websocket.AcceptOptions) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := accept(w, r, o)
		if err != nil {
			return
		}
		f := func() {
			defer c.CloseNow()
			echo(c)
		}
		if stay {
			f()
		} else {
			go f()
		}
	}
}

func exchange(t testing.TB, c *websocket.Conn, text string) {
	t.Helper()
	require.NoError(t, c.Write(background, websocket.MessageText, []byte(text)))
	_, p, err := c.Read(background)
	require.NoError(t, err)
	require.Equal(t, text, string(p))
}

func TestAccept_RFC9220_3(t *testing.T) {
	opts := &websocket.AcceptOptions{Subprotocols: []string{"chat"}, CompressionMode: websocket.CompressionContextTakeover, ConnOptions: websocket.ConnOptions{ReadLimit: -1}}
	for name, handler := range map[string]http.HandlerFunc{
		"taken over":                 echoing(Accept, false, opts),
		"behind middleware":          unwrapping(echoing(Accept, false, opts)),
		"through the body, by RFC":   echoing(websocket.Accept, true, opts),
		"the handler stays, as well": echoing(Accept, true, opts),
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, handler, nil)
			tr := s.transport(t)
			for _, mode := range []websocket.CompressionMode{websocket.CompressionDisabled, websocket.CompressionContextTakeover} {
				c := dial(t, s, tr, "/", &websocket.DialOptions{Subprotocols: []string{"x", "chat"}, CompressionMode: mode, ConnOptions: websocket.ConnOptions{ReadLimit: -1}})
				require.Equal(t, "chat", c.Subprotocol())
				for _, size := range []int{0, 1, 125, 126, 5000, 65536, 1 << 20} {
					exchange(t, c, strings.Repeat("x", size))
				}
				require.NoError(t, c.Close(websocket.StatusNormalClosure, "bye"))
			}
		})
	}
}

func unwrapping(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { h(unwrapper{w}, r) }
}

type unwrapper struct{ http.ResponseWriter }

func (u unwrapper) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// One transport has one connection to an authority, and Dial has its own.
func TestStreamsShareAConnection(t *testing.T) {
	var mu sync.Mutex
	from := make(map[string]int)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		from[r.RemoteAddr]++
		mu.Unlock()
		echoing(Accept, false, nil)(w, r)
	}, nil)
	connections := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(from)
	}
	tr := s.transport(t)
	var opening sync.WaitGroup
	for range 20 {
		opening.Go(func() {
			c := dial(t, s, tr, "/", nil)
			exchange(t, c, "hello")
			c.Close(websocket.StatusNormalClosure, "")
		})
	}
	opening.Wait()
	require.Equal(t, 1, connections())
	c, resp, err := Dial(background, s.url, s.client, nil)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	require.Empty(t, resp.Header.Get("Sec-WebSocket-Accept"))
	exchange(t, c, "hello")
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
	require.Equal(t, 2, connections())
	tr.Close()
	s.awaitClosed()
}

func TestRefusals(t *testing.T) {
	s := serve(t, echoing(Accept, false, &websocket.AcceptOptions{OriginPatterns: []string{"friend.example"}}), nil)
	tr := s.transport(t)
	c, resp, err := websocket.Dial(background, s.url, &websocket.DialOptions{Transport: tr, HTTPHeader: http.Header{"Origin": {"https://evil.example"}}})
	require.Nil(t, c)
	var refused *ws.ConnectionRejectedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 403, resp.StatusCode)
	require.Contains(t, string(refused.Body()), "evil.example")

	for name, fields := range map[string]struct {
		protocol, method string
		status           int
	}{
		"RFC 9220 3, another :protocol": {"connect-udp", "CONNECT", 501},
		"GET":                           {"HTTP/3.0", "GET", 405},
	} {
		u := strings.Replace(s.url, "wss", "https", 1)
		r, err := http.NewRequest(fields.method, u, nil)
		require.NoError(t, err)
		r.Proto = fields.protocol
		h3 := &http3.Transport{TLSClientConfig: s.client}
		resp, err := h3.RoundTrip(r)
		require.NoError(t, err, name)
		require.Equal(t, fields.status, resp.StatusCode, name)
		resp.Body.Close()
		h3.Close()
	}
	exchange(t, dial(t, s, tr, "/", nil), "goes on")
}

func TestConnectErrors(t *testing.T) {
	s := serve(t, echoing(Accept, false, nil), nil)
	tr := s.transport(t)
	_, _, err := websocket.Dial(background, "ws://"+s.tcp.Listener.Addr().String(), &websocket.DialOptions{Transport: tr})
	require.ErrorIs(t, err, websocket.ErrNoExtendedConnect)
	for name, r := range map[string]*http.Request{"nil": nil, "no URL": {}, "GET": httptest.NewRequest("GET", "https://x/", nil)} {
		_, _, err := tr.Connect(r)
		require.Error(t, err, name)
	}
	_, _, err = (*Transport)(nil).Connect(httptest.NewRequest("GET", "https://x/", nil))
	require.Error(t, err)

	// Nobody is there.
	gone, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer gone.Close()
	ctx, cancel := context.WithTimeout(background, 50*time.Millisecond)
	defer cancel()
	_, _, err = websocket.Dial(ctx, "wss://"+gone.LocalAddr().String(), &websocket.DialOptions{Transport: tr})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	short := &Transport{TLSConfig: s.client, DialTimeout: 50 * time.Millisecond}
	defer short.Close()
	_, _, err = websocket.Dial(background, "wss://"+gone.LocalAddr().String(), &websocket.DialOptions{Transport: short})
	require.ErrorContains(t, err, "dial")

	// A certificate that is not trusted.
	_, _, err = Dial(background, s.url, nil, nil)
	require.ErrorContains(t, err, "certificate")

	tr.Close()
	_, _, err = websocket.Dial(background, s.url, &websocket.DialOptions{Transport: tr})
	require.ErrorIs(t, err, net.ErrClosed)
}

// A context that ends between messages leaves either end usable.
func TestContextEndsBetweenMessages(t *testing.T) {
	for name, accept := range map[string]func(http.ResponseWriter, *http.Request, *websocket.AcceptOptions) (*websocket.Conn, error){
		"taken over": Accept, "through the body": websocket.Accept,
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				c, err := accept(w, r, nil)
				if err != nil {
					return
				}
				defer c.CloseNow()
				for range 3 {
					if err := giveUp(c); err != nil {
						c.Close(websocket.StatusInternalError, err.Error())
						return
					}
				}
				c.Write(background, websocket.MessageText, []byte("your turn"))
				echo(c)
			}, nil)
			c := dial(t, s, s.transport(t), "/", nil)
			_, p, err := c.Read(background)
			require.NoError(t, err)
			require.Equal(t, "your turn", string(p))
			for range 3 {
				require.NoError(t, giveUp(c))
				exchange(t, c, "still usable")
			}
		})
	}
}

// giveUp reads with a context that ends first.
func giveUp(c *websocket.Conn) error {
	ctx, cancel := context.WithTimeout(background, 10*time.Millisecond)
	defer cancel()
	if _, _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the read was not given up: %v", err)
	}
	return nil
}

// How a stream ends, and what the server makes of it.
func TestEnds(t *testing.T) {
	text := ws.AppendFrame(nil, ws.MaskFrame(ws.NewTextFrame([]byte("hi"))))
	closing := ws.AppendFrame(nil, ws.MaskFrame(ws.NewCloseFrame(ws.AppendCloseBody(nil, ws.StatusNormalClosure, ""))))
	for name, c := range map[string]struct {
		send   []byte
		end    func(s websocket.Stream)
		status websocket.StatusCode
		is     error
	}{
		"FIN after the close frame":   {append(bytes.Clone(text), closing...), func(s websocket.Stream) { s.CloseWrite() }, websocket.StatusNormalClosure, nil},
		"Close after the close frame": {append(bytes.Clone(text), closing...), func(s websocket.Stream) { s.Close() }, websocket.StatusNormalClosure, nil},
		"FIN without a close frame":   {text, func(s websocket.Stream) { s.CloseWrite() }, -1, io.EOF},
		"FIN within a frame":          {append(bytes.Clone(text), closing[:3]...), func(s websocket.Stream) { s.CloseWrite() }, -1, io.ErrUnexpectedEOF},
		"RESET_STREAM":                {text, func(s websocket.Stream) { s.(*stream).h3.CancelWrite(cancelled) }, -1, nil},
	} {
		for how, accept := range map[string]func(http.ResponseWriter, *http.Request, *websocket.AcceptOptions) (*websocket.Conn, error){
			"taken over": Accept, "through the body": websocket.Accept,
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				ended := make(chan error, 2)
				s := serve(t, func(w http.ResponseWriter, r *http.Request) {
					conn, err := accept(w, r, nil)
					if err != nil {
						ended <- err
						return
					}
					defer conn.CloseNow()
					if _, _, err = conn.Read(background); err != nil {
						ended <- fmt.Errorf("lost: %w", err)
					}
					conn.Write(background, websocket.MessageText, []byte("got it"))
					_, _, err = conn.Read(background)
					ended <- err
				}, nil)
				str := open(t, s)
				_, err := str.Write(c.send[:len(text)])
				require.NoError(t, err)
				_, err = io.ReadFull(str, make([]byte, 8))
				require.NoError(t, err)
				if len(c.send) > len(text) {
					_, err = str.Write(c.send[len(text):])
					require.NoError(t, err)
				}
				c.end(str)
				err = <-ended
				require.Error(t, err)
				require.NotContains(t, err.Error(), "lost:")
				require.Equal(t, c.status, websocket.CloseStatus(err), "%v", err)
				require.True(t, c.is == nil || errors.Is(err, c.is), "%v", err)
				str.Close()
			})
		}
	}
}

// open opens a stream without a Conn.
func open(t testing.TB, s *server) websocket.Stream {
	r, err := http.NewRequest(http.MethodConnect, strings.Replace(s.url, "wss", "https", 1), nil)
	require.NoError(t, err)
	r.Header[":protocol"] = []string{"websocket"}
	r.Header.Set("Sec-WebSocket-Version", "13")
	str, resp, err := s.transport(t).Connect(r)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	return str
}

// WebSockets that are not read do not hold up their siblings, on either side.
func TestUnreadStreamsBesideOthers(t *testing.T) {
	const unread = 40
	held := make(chan struct{})
	defer close(held)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, nil)
		if err != nil {
			return
		}
		if r.URL.Path == "/" {
			go echo(c)
			return
		}
		go func() { // sends without end, and does not read
			defer c.CloseNow()
			go func() {
				for c.Write(background, websocket.MessageBinary, make([]byte, 64<<10)) == nil {
				}
			}()
			<-held
		}()
	}, QUICConfig())
	tr := s.transport(t)
	for range unread {
		c := dial(t, s, tr, "/unread", nil)
		go func() {
			for c.Write(background, websocket.MessageBinary, make([]byte, 64<<10)) == nil {
			}
		}()
	}
	c := dial(t, s, tr, "/", nil)
	for range 20 {
		exchange(t, c, strings.Repeat("x", 30<<10))
	}
}

// Streams beyond what the server allows wait, as long as their context lasts.
func TestTooManyStreams(t *testing.T) {
	config := QUICConfig()
	config.MaxIncomingStreams = 3
	s := serve(t, echoing(Accept, false, nil), config)
	tr := s.transport(t)
	var open []*websocket.Conn
	for range 3 {
		open = append(open, dial(t, s, tr, "/", nil))
	}
	ctx, cancel := context.WithTimeout(background, 50*time.Millisecond)
	defer cancel()
	_, _, err := websocket.Dial(ctx, s.url, &websocket.DialOptions{Transport: tr})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	go open[0].Close(websocket.StatusNormalClosure, "")
	exchange(t, dial(t, s, tr, "/", nil), "room again")
	exchange(t, open[1], "and the others go on")
}

// The next write continues one that a deadline has interrupted.
func TestNetConnResumesWrites(t *testing.T) {
	release, sum := make(chan struct{}), make(chan []byte, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, nil)
		if err != nil {
			return
		}
		go func() {
			<-release
			p, _ := io.ReadAll(websocket.NetConn(background, c, websocket.MessageBinary))
			sum <- p
		}()
	}, QUICConfig())
	c := dial(t, s, s.transport(t), "/", nil)
	n := websocket.NetConn(background, c, websocket.MessageBinary)
	var want []byte
	for i := 0; ; i++ {
		part := bytes.Repeat([]byte{byte(i)}, 100_000)
		n.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		written, err := n.Write(part)
		want = append(want, part[:written]...)
		if err != nil {
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			break
		}
	}
	close(release)
	n.SetWriteDeadline(time.Time{})
	written, err := n.Write([]byte("the end"))
	require.NoError(t, err)
	want = append(want, "the end"[:written]...)
	require.NoError(t, n.Close())
	require.True(t, bytes.Equal(want, <-sum))
}

// One call ends connections of all three kinds.
func TestShutdownTogether(t *testing.T) {
	group := &websocket.Group{Reason: "restart"}
	s := serve(t, echoing(Accept, true, &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Group: group}}), nil)
	s.tcp.Config.RegisterOnShutdown(func() { group.Shutdown(background) })
	tr := s.transport(t)
	over3 := dial(t, s, tr, "/", nil)
	over1, resp, err := websocket.Dial(background, s.url, &websocket.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: s.client}}})
	require.NoError(t, err)
	require.Equal(t, 1, resp.ProtoMajor)
	over2 := dialHTTP2(t, s)
	all := []*websocket.Conn{over1, over2, over3}
	for _, c := range all {
		exchange(t, c, "hello") // its handler has added it to the group
	}
	require.Equal(t, 3, group.Len())
	var reads sync.WaitGroup
	for i, c := range all {
		reads.Go(func() {
			_, _, err := c.Read(background)
			if websocket.CloseStatus(err) != websocket.StatusGoingAway || !strings.Contains(err.Error(), "restart") {
				t.Errorf("connection %d: %v", i, err)
			}
		})
	}
	ctx, cancel := context.WithTimeout(background, 10*time.Second)
	defer cancel()
	require.NoError(t, s.tcp.Config.Shutdown(ctx))
	require.NoError(t, group.Shutdown(ctx))
	reads.Wait()
	require.NoError(t, s.h3.Shutdown(ctx), "the client ends a connection without streams after GOAWAY")
	require.Zero(t, group.Len())
	_, _, err = websocket.Dial(background, s.url, &websocket.DialOptions{Transport: tr, HTTPClient: &http.Client{Timeout: time.Second}})
	require.Error(t, err)
}

// A client or a server that is killed leaves nothing.
func TestKilled(t *testing.T) {
	group := new(websocket.Group)
	opts := &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Group: group}}
	var handlers sync.WaitGroup
	for _, accept := range []func(http.ResponseWriter, *http.Request, *websocket.AcceptOptions) (*websocket.Conn, error){Accept, websocket.Accept} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			handlers.Add(1)
			defer handlers.Done()
			c, err := accept(w, r, opts)
			if err != nil {
				return
			}
			defer c.CloseNow()
			switch r.URL.Path {
			case "/panics":
				panic(http.ErrAbortHandler)
			case "/writes":
				for c.Write(background, websocket.MessageBinary, make([]byte, 10<<10)) == nil {
				}
			default:
				echo(c)
			}
		}, nil)
		for _, path := range []string{"/", "/panics", "/writes"} {
			tr := s.transport(t)
			var conns []*websocket.Conn
			for range 3 {
				c, _, err := websocket.Dial(background, s.url+path, &websocket.DialOptions{Transport: tr})
				if path == "/panics" && err != nil {
					continue // the stream was reset before the answer was out
				}
				require.NoError(t, err)
				conns = append(conns, c)
			}
			tr.Close()
			for _, c := range conns {
				_, _, err := c.Read(background)
				for err == nil {
					_, _, err = c.Read(background)
				}
				<-c.Done()
			}
		}
		c := dial(t, s, s.transport(t), "/", nil)
		s.h3.Close()
		_, _, err := c.Read(background)
		require.Error(t, err)
	}
	handlers.Wait()
	require.Zero(t, group.Len())
}
