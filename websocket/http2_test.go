package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/wskit/wskit/internal/h2peer"
	"github.com/wskit/wskit/internal/httpstream"
	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/websocket/xconnect"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// pipes is a listener whose connections are pipes with room for all that is written.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80} }

// dial returns the client's end of a new connection.
func (l *pipes) dial() net.Conn {
	a, b := bufferedPipe()
	l.conns <- b
	return a
}

// http2Server serves h over HTTP/1.1 and HTTP/2 until the test ends.
func http2Server(t testing.TB, h http.HandlerFunc, change func(*http.Server)) *pipes {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	var report strings.Builder
	srv := &http.Server{Handler: h, Protocols: &protocols, ErrorLog: log.New(&report, "", 0)}
	if change != nil {
		change(srv)
	}
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve(l)
	}()
	t.Cleanup(func() {
		srv.Close()
		<-served
		require.NotContains(t, report.String(), "panic")
	})
	return l
}

// http2Client opens a connection of HTTP/2.
func http2Client(t testing.TB, l *pipes, settings ...http2.Setting) *h2peer.Client {
	c, err := h2peer.Open(l.dial(), settings...)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// connect opens a WebSocket by an extended CONNECT.
func connect(t testing.TB, c *h2peer.Client, fields ...[2]string) (*h2peer.Stream, *Conn) {
	s, _, err := c.Open200("/", fields...)
	require.NoError(t, err)
	conn := newConn(connConfig{transport: s, client: true})
	t.Cleanup(func() { conn.CloseNow() })
	return s, conn
}

// serving is a handler that passes each connection to f, and then closes it.
func serving(opts *AcceptOptions, f func(c *Conn)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, opts)
		if err != nil {
			return
		}
		defer c.CloseNow()
		f(c)
	}
}

func exchange2(t testing.TB, c *Conn, text string) {
	t.Helper()
	require.NoError(t, c.Write(background, MessageText, []byte(text)))
	_, p, err := c.Read(background)
	require.NoError(t, err)
	require.Equal(t, text, string(p))
}

func TestHTTP2Accept_RFC8441_5(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := &AcceptOptions{Subprotocols: []string{"chat"}, CompressionMode: CompressionContextTakeover, OriginPatterns: []string{"friend.example"}}
		ended := make(chan error, 1)
		srv := http2Server(t, func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "seen", Value: r.Header.Get("Cookie")})
			c, err := Accept(w, r, opts)
			if err != nil {
				return
			}
			defer c.CloseNow()
			if r.URL.Path != "/chat" || r.ProtoMajor != 2 || c.Subprotocol() != "chat" {
				panic("what Accept was told has not arrived")
			}
			ended <- echo(c)
		}, nil)
		client := http2Client(t, srv)
		on, ok := client.Setting(http2.SettingEnableConnectProtocol)
		require.True(t, ok)
		require.EqualValues(t, 1, on)
		s, answer, err := client.Open200("/chat", [2]string{"cookie", "a=1"}, [2]string{"origin", "http://friend.example"},
			[2]string{"sec-websocket-protocol", "x, chat"}, [2]string{"sec-websocket-extensions", "permessage-deflate"},
			[2]string{"sec-websocket-key", "is not looked at"})
		require.NoError(t, err)
		delete(answer, "date")
		require.Equal(t, map[string]string{
			":status": "200", "set-cookie": "seen=a=1", "sec-websocket-protocol": "chat", "sec-websocket-extensions": answer["sec-websocket-extensions"],
		}, answer)
		require.Contains(t, answer["sec-websocket-extensions"], "permessage-deflate")

		require.NotContains(t, answer["sec-websocket-extensions"], ";")
		agreed := wsflate.Parameters{}
		hs := ws.Handshake{Protocol: "chat", Extensions: extensions(agreed)}
		c, err := NewConn(s, nil, hs, ws.StateClientSide, &ConnOptions{ReadLimit: 1 << 20})
		require.NoError(t, err)
		for _, size := range []int{0, 1, 125, 126, 4 << 10, 32 << 10} {
			exchange2(t, c, strings.Repeat("é", size/2))
		}
		require.NoError(t, c.Close(StatusNormalClosure, "bye"))
		require.Equal(t, StatusNormalClosure, CloseStatus(<-ended))
		require.NoError(t, s.End(), "END_STREAM and no reset")
	})
}

// A refusal has a status and a reason, and the connection continues.
func TestHTTP2Refusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := http2Server(t, serving(nil, func(c *Conn) { echo(c) }), nil)
		client := http2Client(t, srv)
		head := func(method, protocol string, more ...[2]string) (fields [][2]string) {
			fields = append(fields, [2]string{":method", method}, [2]string{":authority", "server.example"})
			if protocol != "" {
				fields = append(fields, [2]string{":protocol", protocol})
			}
			return append(fields, more...)
		}
		scheme, path, version := [2]string{":scheme", "http"}, [2]string{":path", "/"}, [2]string{"sec-websocket-version", "13"}
		for _, c := range []struct {
			name   string
			fields [][2]string
			status string // "" if the server resets the stream
			text   string
		}{
			{"RFC 8441 4, CONNECT without :protocol", head("CONNECT", "", version), "400", "without :protocol"},
			{"RFC 9220 3, another :protocol", head("CONNECT", "connect-udp", scheme, path, version), "501", "connect-udp"},
			{"RFC 8441 4, GET with :protocol", head("GET", "websocket", scheme, path, version), "400", "method CONNECT"},
			{"GET", head("GET", "", scheme, path), "405", "extended CONNECT"},
			{"RFC 8441 4, no :path", head("CONNECT", "websocket", scheme, version), "", "PROTOCOL_ERROR"},
			{"RFC 9110 9.3.6, a body", head("CONNECT", "websocket", scheme, path, version, [2]string{"content-length", "5"}), "400", "body"},
			{"RFC 6455 10.2, another origin", head("CONNECT", "websocket", scheme, path, version, [2]string{"origin", "http://evil.example"}), "403", "evil.example"},
			{"RFC 6455 4.4, another version", head("CONNECT", "websocket", scheme, path, [2]string{"sec-websocket-version", "8"}), "400", "Version 13"},
		} {
			s, err := client.Request(false, c.fields...)
			require.NoError(t, err, c.name)
			answer, err := s.Answer()
			if c.status == "" {
				require.ErrorContains(t, err, c.text, c.name)
				continue
			}
			require.NoError(t, err, c.name)
			require.Equal(t, c.status, answer[":status"], c.name)
			body, _ := io.ReadAll(s)
			require.Contains(t, string(body), c.text, c.name)
		}
		_, conn := connect(t, client)
		exchange2(t, conn, "and the connection goes on")
	})
}

// A pattern of ServeMux with the method CONNECT takes an extended CONNECT, and leaves GET
// to another one.
func TestHTTP2RoutedByMethod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := http.NewServeMux()
		mux.HandleFunc("CONNECT /chat", serving(nil, func(c *Conn) { echo(c) }))
		mux.HandleFunc("GET /chat", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a page") })
		client := http2Client(t, http2Server(t, mux.ServeHTTP, nil))
		s, _, err := client.Open200("/chat")
		require.NoError(t, err)
		c := newConn(connConfig{transport: s, client: true})
		exchange2(t, c, "hello")
		require.NoError(t, c.Close(StatusNormalClosure, ""))
		_, _, err = client.Open200("/other")
		require.ErrorContains(t, err, "status 404")
		s, err = client.Request(true, [2]string{":method", "GET"}, [2]string{":scheme", "http"}, [2]string{":path", "/chat"}, [2]string{":authority", "a"})
		require.NoError(t, err)
		page, err := io.ReadAll(s)
		require.NoError(t, err)
		require.Equal(t, "a page", string(page))
	})
}

// Middleware that hides what a stream needs is an error of the program.
func TestHTTP2Middleware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := make(chan error, 1)
		hides := func(w http.ResponseWriter, r *http.Request) {
			var hidden http.ResponseWriter = struct{ http.ResponseWriter }{w}
			if r.URL.Path == "/flushes" {
				hidden = struct {
					http.ResponseWriter
					http.Flusher
				}{w, w.(http.Flusher)}
			}
			_, err := Accept(hidden, r, nil)
			failed <- err
		}
		client := http2Client(t, http2Server(t, hides, nil))
		for _, path := range []string{"/", "/flushes"} {
			s, err := client.Connect(path)
			require.NoError(t, err)
			answer, err := s.Answer()
			require.NoError(t, err)
			require.Equal(t, "500", answer[":status"])
			require.ErrorContains(t, <-failed, "middleware without Unwrap")
		}
	})
}

// The server's ReadTimeout and WriteTimeout would be timers of the stream.
func TestHTTP2ServerTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := http2Server(t, serving(nil, func(c *Conn) { echo(c) }), func(s *http.Server) {
			s.ReadTimeout, s.WriteTimeout = time.Second, time.Second
			s.ReadHeaderTimeout, s.IdleTimeout = time.Second, time.Second
		})
		_, c := connect(t, http2Client(t, srv))
		for range 3 {
			time.Sleep(time.Minute)
			exchange2(t, c, "still here")
		}
	})
}

// A context that ends between messages leaves the connection usable, and starts a
// goroutine only where it has to.
func TestHTTP2ContextEndsBetweenMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inCancelled int
		served := make(chan error, 1)
		srv := http2Server(t, serving(nil, func(c *Conn) {
			s := c.transport.ReadWriteCloser.(*httpstream.Stream)
			_, _, err := c.Read(background)
			if err == nil && s.Armed() {
				err = errors.New("armed for a context that cannot end")
			}
			for i := 0; i < 3 && err == nil; i++ {
				ctx, cancel := context.WithTimeout(background, time.Second)
				_, _, readErr := c.Read(ctx)
				cancel()
				if !errors.Is(readErr, context.DeadlineExceeded) {
					err = fmt.Errorf("read: %v", readErr)
				}
				inCancelled++
			}
			if err == nil {
				err = c.Write(background, MessageText, []byte("go on"))
			}
			for range 2 {
				if err == nil {
					var p []byte
					_, p, err = c.Read(background)
					c.Write(background, MessageText, p)
				}
			}
			served <- err
		}), nil)
		_, c := connect(t, http2Client(t, srv))
		require.NoError(t, c.Write(background, MessageText, nil))
		_, p, err := c.Read(background)
		require.NoError(t, err)
		require.Equal(t, "go on", string(p))
		exchange2(t, c, "one")
		exchange2(t, c, "two")
		require.NoError(t, <-served)
		require.Equal(t, 3, inCancelled)
	})
}

// How a stream ends, and what the server makes of it.
func TestHTTP2Ends_RFC8441_5(t *testing.T) {
	text := ws.AppendFrame(nil, ws.MaskFrame(ws.NewTextFrame([]byte("hi"))))
	closing := ws.AppendFrame(nil, ws.MaskFrame(ws.NewCloseFrame(ws.AppendCloseBody(nil, ws.StatusNormalClosure, ""))))
	for name, c := range map[string]struct {
		end    func(s *h2peer.Stream, c *h2peer.Client)
		status StatusCode // 0 if the peer has gone without a close frame
		is     error
	}{
		"END_STREAM with the close frame": {func(s *h2peer.Stream, c *h2peer.Client) {
			c.Send(func(fr *http2.Framer) error { return fr.WriteData(s.ID, true, append(text, closing...)) })
		}, StatusNormalClosure, nil},
		"END_STREAM after the close frame": {func(s *h2peer.Stream, c *h2peer.Client) {
			s.Write(append(text, closing...))
			s.CloseWrite()
		}, StatusNormalClosure, nil},
		"the connection ends after the close frame": {func(s *h2peer.Stream, c *h2peer.Client) {
			synctest.Wait() // Accept may fail if the connection ends first
			s.Write(append(text, closing...))
			c.Close()
		}, StatusNormalClosure, nil},
		"END_STREAM without a close frame": {func(s *h2peer.Stream, c *h2peer.Client) {
			s.Write(text)
			s.CloseWrite()
		}, 0, io.EOF},
		"END_STREAM within a frame": {func(s *h2peer.Stream, c *h2peer.Client) {
			s.Write(append(text, closing[:3]...))
			s.CloseWrite()
		}, 0, io.ErrUnexpectedEOF},
		"RST_STREAM within a message": {func(s *h2peer.Stream, c *h2peer.Client) {
			s.Write(append(text, closing[:3]...))
			synctest.Wait()
			s.Reset(http2.ErrCodeCancel)
		}, 0, nil},
		"the connection is gone": {func(s *h2peer.Stream, c *h2peer.Client) {
			s.Write(text)
			synctest.Wait()
			c.Close()
		}, 0, nil},
	} {
		for _, cancellable := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, cancellable %v", name, cancellable), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ended := make(chan error, 2)
					srv := http2Server(t, serving(nil, func(conn *Conn) {
						ctx, cancel := background, context.CancelFunc(func() {})
						if cancellable {
							ctx, cancel = context.WithCancel(background)
						}
						defer cancel()
						_, p, err := conn.Read(ctx)
						if err != nil || string(p) != "hi" {
							panic(fmt.Sprint(p, err))
						}
						_, _, err = conn.Read(ctx)
						ended <- err
						<-conn.Done()
						ended <- conn.CloseRecord().Err
					}), nil)
					client := http2Client(t, srv)
					s, _, err := client.Open200("/")
					require.NoError(t, err)
					c.end(s, client)
					for range 2 {
						err = <-ended
						require.Error(t, err)
						if c.status != 0 {
							require.Equal(t, c.status, CloseStatus(err))
							continue
						}
						require.EqualValues(t, -1, CloseStatus(err))
						require.ErrorContains(t, err, lostPeer)
						require.True(t, c.is == nil || errors.Is(err, c.is), "%v", err)
					}
				})
			})
		}
	}
}

// DATA frames are a stream of bytes: empty ones, padding and cuts mean nothing.
func TestHTTP2DataFrames_RFC9113_6_1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := http2Client(t, http2Server(t, serving(nil, func(c *Conn) { echo(c) }), nil))
		s, c := connect(t, client)
		frame := ws.AppendFrame(nil, ws.MaskFrame(ws.NewTextFrame([]byte(strings.Repeat("x", 300)))))
		for i, b := range frame[:20] {
			require.NoError(t, client.Send(func(fr *http2.Framer) error {
				if i%3 == 0 {
					if err := fr.WriteData(s.ID, false, nil); err != nil {
						return err
					}
				}
				return fr.WriteDataPadded(s.ID, false, []byte{b}, make([]byte, i))
			}))
		}
		_, err := s.Write(frame[20:])
		require.NoError(t, err)
		_, p, err := c.Read(background)
		require.NoError(t, err)
		require.Len(t, p, 300)
	})
}

// A handler that returns with its connection open ends the stream. Whoever uses the
// connection later gets an error, and no other request what it writes.
func TestHTTP2HandlerReturnsEarly(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector finds what is wrong with such a program")
	}
	for _, reading := range []bool{false, true} {
		t.Run(fmt.Sprint("reading ", reading), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				group := new(Group)
				conns := make(chan *Conn, 1)
				read := make(chan error, 1)
				srv := http2Server(t, func(w http.ResponseWriter, r *http.Request) {
					if r.Method == "GET" {
						io.WriteString(w, "another request")
						return
					}
					c, err := Accept(w, r, &AcceptOptions{ConnOptions: ConnOptions{Group: group}})
					if err != nil {
						panic(err)
					}
					if reading {
						go func() { read <- echo(c) }()
					}
					conns <- c
				}, nil)
				client := http2Client(t, srv)
				s, _, err := client.Open200("/")
				require.NoError(t, err)
				c := <-conns
				require.NoError(t, s.End(), "END_STREAM")
				for range 3 {
					err := c.Write(background, MessageText, []byte("too late"))
					require.Error(t, err)
					require.ErrorContains(t, err, "websocket: write")
				}
				if reading {
					require.Error(t, <-read)
				}
				<-c.Done()
				_, _, err = c.Read(background)
				require.Error(t, err)
				require.ErrorIs(t, c.Write(background, MessageText, nil), net.ErrClosed)
				require.Error(t, c.Close(StatusNormalClosure, ""))
				require.NoError(t, c.CloseNow())
				require.Zero(t, group.Len())
				s, err = client.Request(true, [2]string{":method", "GET"}, [2]string{":scheme", "http"}, [2]string{":path", "/"}, [2]string{":authority", "a"})
				require.NoError(t, err)
				p, err := io.ReadAll(s)
				require.NoError(t, err)
				require.Equal(t, "another request", string(p))
			})
		})
	}
}

// The writer of the answer is the handler's. Once CloseNow has returned, nobody uses it
// any more, however many goroutines still write: the race detector sees to that.
func TestHTTP2NobodyWritesAfterTheHandler(t *testing.T) {
	noLeaks(t)
	var writers sync.WaitGroup
	srv := http2Server(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, nil)
		if err != nil {
			writers.Add(-4)
			return
		}
		defer c.CloseNow()
		for i := range 4 {
			go func() {
				defer writers.Done()
				for c.Write(background, MessageBinary, make([]byte, 1<<(4*i))) == nil {
				}
			}()
		}
		c.Read(background)
	}, nil)
	defer writers.Wait()
	client := http2Client(t, srv)
	for i := range 50 {
		writers.Add(4) // by the test, because the handler starts them after its response
		s, _, err := client.Open200("/")
		require.NoError(t, err)
		if i%2 == 0 {
			s.Hold() // the writers are stuck
		}
		go s.End()
		switch i % 3 {
		case 0:
			s.Write(ws.AppendFrame(nil, ws.MaskFrame(ws.NewTextFrame(nil))))
		case 1:
			s.CloseWrite()
		default:
			s.Reset(http2.ErrCodeCancel)
		}
	}
}

// A write that waits for the peer's window ends with its context, its timeout and the
// connection, and with it the stream.
func TestHTTP2StuckWrite_RFC9113_5_2(t *testing.T) {
	for name, f := range map[string]func(c *Conn) error{
		"context": func(c *Conn) error {
			ctx, cancel := context.WithTimeout(background, time.Second)
			defer cancel()
			return c.Write(ctx, MessageBinary, make([]byte, 1<<20))
		},
		"CloseNow": func(c *Conn) error {
			time.AfterFunc(time.Second, func() { c.CloseNow() })
			return c.Write(background, MessageBinary, make([]byte, 1<<20))
		},
		"Close": func(c *Conn) error {
			time.AfterFunc(time.Second, func() { c.Close(StatusNormalClosure, "") })
			return c.Write(background, MessageBinary, make([]byte, 1<<20))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wrote := make(chan error, 1)
				client := http2Client(t, http2Server(t, serving(nil, func(c *Conn) {
					wrote <- f(c)
					<-c.Done()
				}), nil))
				s, _, err := client.Open200("/")
				require.NoError(t, err)
				s.Hold()
				start := time.Now()
				require.Error(t, <-wrote)
				require.LessOrEqual(t, time.Since(start), 10*time.Second)
				require.ErrorContains(t, s.End(), "INTERNAL_ERROR", "the stream is reset")
				_, c := connect(t, client)
				c.CloseNow()
				time.Sleep(2 * DefaultCloseTimeout)
			})
		})
	}
	t.Run("WriteTimeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			wrote := make(chan error, 1)
			opts := &AcceptOptions{ConnOptions: ConnOptions{WriteTimeout: time.Second}}
			client := http2Client(t, http2Server(t, serving(opts, func(c *Conn) {
				wrote <- c.Write(background, MessageBinary, make([]byte, 1<<20))
			}), nil))
			s, _, err := client.Open200("/")
			require.NoError(t, err)
			s.Hold()
			require.ErrorIs(t, <-wrote, os.ErrDeadlineExceeded)
			require.Error(t, s.End())
		})
	})
}

// Silence ends a connection as it does over TCP.
func TestHTTP2KeepAlive(t *testing.T) {
	for name, o := range map[string]ConnOptions{
		"KeepAlive":       {KeepAlive: time.Second, KeepAliveTimeout: time.Second},
		"ReadIdleTimeout": {ReadIdleTimeout: 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				read := make(chan error, 1)
				client := http2Client(t, http2Server(t, serving(&AcceptOptions{ConnOptions: o}, func(c *Conn) {
					_, _, err := c.Read(background)
					read <- err
				}), nil))
				_, _, err := client.Open200("/")
				require.NoError(t, err)
				start := time.Now()
				require.ErrorIs(t, <-read, os.ErrDeadlineExceeded)
				require.Equal(t, 2*time.Second, time.Since(start))
			})
		})
	}
}

// One WebSocket that is not read does not hold up its siblings, with the windows of
// xconnect.Configure.
func TestHTTP2UnreadStreamsBesideOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := http2Server(t, func(w http.ResponseWriter, r *http.Request) {
			c, err := Accept(w, r, nil)
			if err != nil {
				return
			}
			defer c.CloseNow()
			if r.URL.Path == "/unread" {
				<-r.Context().Done()
				return
			}
			echo(c)
		}, xconnect.Configure)
		client := http2Client(t, srv)
		most, _ := client.Setting(http2.SettingMaxConcurrentStreams)
		room, _ := client.Setting(http2.SettingInitialWindowSize)
		unread := ws.AppendFrame(nil, ws.MaskFrame(ws.NewBinaryFrame(make([]byte, 1<<20))))
		for range most - 1 {
			s, _, err := client.Open200("/unread")
			require.NoError(t, err)
			_, err = s.Write(unread[:room]) // all that the server takes
			require.NoError(t, err)
		}
		_, c := connect(t, client)
		for range 5 {
			exchange2(t, c, strings.Repeat("x", 16<<10))
		}

		// One too many is refused, and the others continue.
		s, err := client.Connect("/")
		require.NoError(t, err)
		_, err = s.Answer()
		require.Error(t, err)
		exchange2(t, c, "goes on")
	})
}

// GOAWAY says that no stream will be opened, and leaves those that are.
func TestHTTP2GoAway_RFC9113_6_8(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := http2Client(t, http2Server(t, serving(nil, func(c *Conn) { echo(c) }), nil))
		_, c := connect(t, client)
		require.NoError(t, client.Send(func(fr *http2.Framer) error { return fr.WriteGoAway(0, http2.ErrCodeNo, nil) }))
		exchange2(t, c, "goes on")
		require.NoError(t, c.Close(StatusNormalClosure, ""))
	})
}

// http.Server.Shutdown waits for streams and does not know hijacked connections. With
// Group.Shutdown registered, it ends both.
func TestHTTP2ShutdownTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		group := &Group{Reason: "restart"}
		var server *http.Server
		srv := http2Server(t, serving(&AcceptOptions{ConnOptions: ConnOptions{Group: group}}, func(c *Conn) { echo(c) }), func(s *http.Server) {
			server = s
			s.RegisterOnShutdown(func() { group.Shutdown(background) })
		})
		client := http2Client(t, srv)
		s, over2 := connect(t, client)
		exchange2(t, over2, "HTTP/2")
		raw := srv.dial()
		over1, _, err := Dial(background, "ws://server.example/", &DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return raw, nil },
		}}})
		require.NoError(t, err)
		exchange2(t, over1, "HTTP/1.1 on the same server")
		require.Equal(t, 2, group.Len())

		var reads sync.WaitGroup
		for _, c := range []*Conn{over1, over2} {
			reads.Go(func() {
				_, _, err := c.Read(background)
				require.Equal(t, StatusGoingAway, CloseStatus(err))
				require.ErrorContains(t, err, "restart")
			})
		}
		ctx, cancel := context.WithTimeout(background, time.Minute)
		defer cancel()
		require.NoError(t, server.Shutdown(ctx))
		require.NoError(t, group.Shutdown(ctx))
		reads.Wait()
		require.NoError(t, s.End())
		require.Zero(t, group.Len())
		code, err := client.GoAway()
		require.NoError(t, err)
		require.Equal(t, http2.ErrCodeNo, code)
	})
}

// Group.Drain lets handlers answer over both versions, and their CloseNow ends the stream
// only after the closing handshake.
func TestHTTP2Drain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		group := &Group{Reason: "restart"}
		var server *http.Server
		ended := make(chan error, 1)
		srv := http2Server(t, serving(&AcceptOptions{ConnOptions: ConnOptions{Group: group}}, func(c *Conn) {
			ended <- serveSlowly(background, c)
		}), func(s *http.Server) { server = s })
		client := http2Client(t, srv)
		_, c := connect(t, client)
		require.NoError(t, c.Write(background, MessageText, []byte("in flight")))
		synctest.Wait()
		stopped := make(chan error)
		go func() { stopped <- errors.Join(group.Drain(background), server.Shutdown(background)) }()
		texts, err := readTexts(c)
		require.Equal(t, []string{"in flight"}, texts)
		require.ErrorIs(t, err, CloseError{StatusGoingAway, "restart"})
		require.ErrorIs(t, <-ended, ErrDraining)
		require.NoError(t, <-stopped)
	})
}

// Many goroutines write to one stream, and pings go between the frames.
func TestHTTP2ConcurrentWriters(t *testing.T) {
	noLeaks(t)
	client := http2Client(t, http2Server(t, serving(&AcceptOptions{ConnOptions: ConnOptions{ReadLimit: -1}}, func(c *Conn) {
		var writers sync.WaitGroup
		for i := range 8 {
			writers.Go(func() {
				for range 20 {
					if err := c.Write(background, MessageBinary, make([]byte, 1<<(2*i))); err != nil {
						panic(err)
					}
				}
			})
		}
		go c.Ping(background)
		go func() {
			writers.Wait()
			c.Close(StatusNormalClosure, "")
		}()
		c.Read(background)
		<-c.Done()
	}), nil))
	_, c := connect(t, client)
	n := 0
	for _, err := range c.Messages(background) {
		if err != nil {
			require.Equal(t, StatusNormalClosure, CloseStatus(err))
			break
		}
		n++
	}
	require.Equal(t, 160, n)
}

// Killed in any state, neither side leaves a goroutine, a stream or a connection.
func TestHTTP2Killed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which ends only without goroutines
		group := new(Group)
		srv := http2Server(t, func(w http.ResponseWriter, r *http.Request) {
			c, err := Accept(w, r, &AcceptOptions{CompressionMode: CompressionContextTakeover, ConnOptions: ConnOptions{Group: group}})
			if err != nil {
				return
			}
			defer c.CloseNow()
			switch r.URL.Path {
			case "/panics":
				panic(http.ErrAbortHandler)
			case "/writes":
				for c.Write(background, MessageBinary, make([]byte, 10<<10)) == nil {
				}
			case "/closes":
				c.Close(StatusNormalClosure, "")
			default:
				ctx, cancel := context.WithCancel(background)
				defer cancel()
				for {
					if _, _, err := c.Read(ctx); err != nil {
						return
					}
				}
			}
		}, nil)
		frame := ws.AppendFrame(nil, ws.MaskFrame(ws.NewTextFrame([]byte("hello"))))
		for _, path := range []string{"/", "/panics", "/writes", "/closes"} {
			for sent := range len(frame) + 1 {
				client := http2Client(t, srv)
				for range 3 {
					s, _, err := client.Open200(path)
					if path != "/panics" { // net/http may drop the answer then
						require.NoError(t, err, "%s %d", path, sent)
					}
					s.Write(frame[:sent])
				}
				if sent%2 == 0 {
					synctest.Wait()
				}
				client.Close()
			}
		}
		synctest.Wait()
		time.Sleep(time.Minute)
		require.Zero(t, group.Len())
	})
}

// An idle WebSocket over HTTP/2 costs the goroutine of its handler and, once a context
// that may end is used, one that reads.
func TestHTTP2IdleGoroutines(t *testing.T) {
	noLeaks(t)
	arrived := make(chan struct{}, 100)
	client := http2Client(t, http2Server(t, serving(nil, func(c *Conn) {
		arrived <- struct{}{}
		echo(c)
	}), nil))
	_, c := connect(t, client)
	exchange2(t, c, "warm")
	<-arrived
	before := runtime.NumGoroutine()
	for range 50 {
		_, _, err := client.Open200("/")
		require.NoError(t, err)
		<-arrived
	}
	require.LessOrEqual(t, runtime.NumGoroutine()-before, 55)
}

// The request's context may end with the server's and not with the handler.
// Then the connection continues, at least for the close frame.
func TestHTTP2BaseContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base, stop := context.WithCancel(background)
		group := new(Group)
		srv := http2Server(t, serving(&AcceptOptions{ConnOptions: ConnOptions{Group: group}}, func(c *Conn) { echo(c) }), func(s *http.Server) {
			s.BaseContext = func(net.Listener) context.Context { return base }
		})
		_, c := connect(t, http2Client(t, srv))
		exchange2(t, c, "before")
		stop()
		exchange2(t, c, "at the end")
		time.Sleep(time.Minute)
		exchange2(t, c, "long after")
		go group.Shutdown(background)
		_, _, err := c.Read(background)
		require.Equal(t, StatusGoingAway, CloseStatus(err))
		<-c.Done()
		require.True(t, c.CloseRecord().Clean)
	})
}
