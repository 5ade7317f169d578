package echo

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

const request = "GET /ws HTTP/1.1\r\n" +
	"Host: example.com\r\n" +
	"Upgrade: websocket\r\n" +
	"Connection: keep-alive, Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"Sec-WebSocket-Version: 13\r\n" +
	"Sec-WebSocket-Protocol: chat, echo\r\n" +
	"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" +
	"\r\n"

// variants are the servers, which tests run through alike.
var variants = []struct {
	name  string
	serve func(*Server, context.Context, net.Listener) error
}{
	{"raw", (*Server).ServeTCP},
	{"http", (*Server).ServeHTTP},
	{"websocket", (*Server).ServeConns},
}

// forEachServer runs f with a server on ln and a stop function, which ends the
// server and checks what it returned.
func forEachServer(t *testing.T, listen func(*testing.T) net.Listener, f func(t *testing.T, ln net.Listener, stop func())) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			ln := listen(t)
			ctx, cancel := context.WithCancel(context.Background())
			served := make(chan error, 1)
			go func() { served <- v.serve(&Server{MaxMessage: 1 << 20}, ctx, ln) }()
			stop := sync.OnceFunc(func() {
				cancel()
				require.NoError(t, <-served)
			})
			defer stop()
			f(t, ln, stop)
		})
	}
}

func loopback(t *testing.T) net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return ln
}

// connect performs the handshake over TCP with behind in the same write as the
// request.
func connect(t *testing.T, ln net.Listener, behind []byte) *tester {
	conn, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	c := newTester(t, conn)
	c.write(append([]byte(request), behind...))
	c.wantSwitch()
	return c
}

// wantSwitch reads the response to request byte by byte, so that data after it
// is not lost.
func (c *tester) wantSwitch() {
	c.t.Helper()
	var head strings.Builder
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		_, err := io.CopyN(&head, c, 1)
		require.NoError(c.t, err)
	}
	got := head.String()
	require.True(c.t, strings.HasPrefix(got, "HTTP/1.1 101 "), got)
	require.Contains(c.t, got, "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")
	require.Contains(c.t, got, "\r\nSec-WebSocket-Protocol: echo\r\n")
	require.NotContains(c.t, got, "Sec-WebSocket-Extensions", "the deflate offer is declined")
}

func TestFramesBehindTheRequest(t *testing.T) {
	forEachServer(t, loopback, func(t *testing.T, ln net.Listener, _ func()) {
		long := strings.Repeat("x", 10_000) // more than the bufio.Reader of net/http holds
		behind := frame(ws.OpText, true, "first")
		behind = append(behind, frame(ws.OpBinary, true, long)...)
		behind = append(behind, frame(ws.OpPing, true, "last")...)
		c := connect(t, ln, behind)
		c.want(ws.OpText, "first")
		c.want(ws.OpBinary, long)
		c.want(ws.OpPong, "last")
		c.Close()
	})
}

// pipeListener accepts one end of net.Pipe, where every Write is a Read of its
// own on the other side.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener(*testing.T) net.Listener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) dial() net.Conn {
	server, client := net.Pipe()
	l.conns <- server
	return client
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func TestHandshakeInPieces(t *testing.T) {
	stream := append([]byte(request), frame(ws.OpText, true, "behind")...)
	forEachServer(t, newPipeListener, func(t *testing.T, ln net.Listener, _ func()) {
		dial := ln.(*pipeListener).dial
		for i := 1; i < len(stream); i++ {
			converse(t, dial(), stream[:i], stream[i:])
		}
		bytewise := make([][]byte, len(stream))
		for i := range stream {
			bytewise[i] = stream[i : i+1]
		}
		converse(t, dial(), bytewise...)
	})
}

// converse writes the pieces and expects the handshake and one echo.
func converse(t *testing.T, conn net.Conn, pieces ...[]byte) {
	t.Helper()
	c := newTester(t, conn)
	defer c.Close()
	go func() {
		for _, p := range pieces {
			if _, err := c.Write(p); err != nil {
				return // and the reader of c also sees it
			}
		}
	}()
	c.wantSwitch()
	c.want(ws.OpText, "behind")
}

// The close frame must arrive although the server has closed on input that it
// did not read.
func TestCloseFrameSurvivesUnreadInput(t *testing.T) {
	forEachServer(t, loopback, func(t *testing.T, ln net.Listener, _ func()) {
		c := connect(t, ln, nil)
		c.write(header(ws.OpBinary, 4<<20))
		c.write(make([]byte, 4<<20))
		c.wantClose(ws.StatusMessageTooBig)
	})
}

// The same for a request that is refused. Under net/http it is not in our
// hands.
func TestRefusalSurvivesUnreadInput(t *testing.T) {
	server, client := tcpPair(t)
	done := make(chan error, 1)
	go func() { done <- new(Server).serveConn(t.Context(), server) }()
	c := newTester(t, client)
	c.write(append([]byte("GET /ws HTTP/1.1\r\nHost: example.com\r\n\r\n"), make([]byte, 100_000)...))
	answer, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Regexp(t, "^HTTP/1.1 426 ", string(answer))
	require.Equal(t, 1, strings.Count(string(answer), "HTTP/1.1 "))
	c.Close()
	require.Error(t, <-done)
}

// tcpPair returns both ends of a connection.
func tcpPair(t *testing.T) (server, client net.Conn) {
	ln := loopback(t)
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	server, err = ln.Accept()
	require.NoError(t, err)
	return server, client
}

// flakyListener fails once.
type flakyListener struct {
	net.Listener
	failed bool
}

func (l *flakyListener) Accept() (net.Conn, error) {
	if !l.failed {
		l.failed = true
		return nil, syscall.EMFILE
	}
	return l.Listener.Accept()
}

func TestAcceptFailsForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipes := newPipeListener(t).(*pipeListener)
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		var log strings.Builder
		s := &Server{Log: slog.New(slog.NewTextHandler(&log, nil))}
		go func() { served <- s.ServeTCP(ctx, &flakyListener{Listener: pipes}) }()
		c := newTester(t, pipes.dial())
		c.write([]byte(request))
		c.wantSwitch()
		c.Close()
		cancel()
		require.NoError(t, <-served)
		require.Contains(t, log.String(), syscall.EMFILE.Error())
	})
}

func TestStopTellsEveryPeer(t *testing.T) {
	forEachServer(t, loopback, func(t *testing.T, ln net.Listener, stop func()) {
		var peers []*tester
		for range 5 {
			c := connect(t, ln, nil)
			c.wantAnswer()
			peers = append(peers, c)
		}
		stopped := make(chan struct{})
		go func() { stop(); close(stopped) }()
		for _, c := range peers {
			c.wantClose(ws.StatusGoingAway)
			c.Close()
		}
		<-stopped
		_, err := net.Dial("tcp", ln.Addr().String())
		require.Error(t, err)
	})
}

func TestStopWaitsForTheCloseFrames(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := newPipeListener(t).(*pipeListener)
				ctx, cancel := context.WithCancel(t.Context())
				served := make(chan error, 1)
				go func() { served <- v.serve(new(Server), ctx, ln) }()
				c := newTester(t, ln.dial())
				c.write([]byte(request))
				c.wantSwitch()
				c.wantAnswer()

				cancel()
				synctest.Wait()
				require.Empty(t, served, "the close frame is not read yet")
				c.wantClose(ws.StatusGoingAway)
				require.NoError(t, <-served)
			})
		})
	}
}

// A client in the middle of its request does not hold the server up.
func TestStopDuringHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newPipeListener(t).(*pipeListener)
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- new(Server).ServeTCP(ctx, ln) }()
		c := newTester(t, ln.dial())
		c.write([]byte(request[:100]))
		began := time.Now()
		cancel()
		require.NoError(t, <-served)
		require.Zero(t, time.Since(began))
	})
}

func TestHandshakeTimeout(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := newPipeListener(t).(*pipeListener)
				ctx, cancel := context.WithCancel(t.Context())
				served := make(chan error, 1)
				go func() { served <- v.serve(new(Server), ctx, ln) }()
				c := newTester(t, ln.dial())
				c.write([]byte(request[:100]))
				began := time.Now()
				_, err := io.Copy(io.Discard, c) // perhaps an answer, but the end
				require.NoError(t, err)
				require.Equal(t, handshakeTimeout, time.Since(began))
				cancel()
				require.NoError(t, <-served)
			})
		})
	}
}

// A client of the page that stops at some point is left.
func TestPageTimeouts(t *testing.T) {
	const get = "GET / HTTP/1.1\r\nHost: a.example\r\n"
	for sent, want := range map[string]time.Duration{
		get + "\r\n":                      idleTimeout,
		get + "Content-Length: 5\r\n\r\n": requestTimeout,
	} {
		for _, v := range variants {
			if v.name == "raw" {
				continue // it has no page
			}
			synctest.Test(t, func(t *testing.T) {
				ln := newPipeListener(t).(*pipeListener)
				ctx, cancel := context.WithCancel(t.Context())
				served := make(chan error, 1)
				go func() { served <- v.serve(new(Server), ctx, ln) }()
				c := ln.dial()
				_, err := io.WriteString(c, sent)
				require.NoError(t, err)
				began := time.Now()
				_, err = io.Copy(io.Discard, c)
				require.NoError(t, err)
				require.Equal(t, want, time.Since(began), v.name)
				cancel()
				require.NoError(t, <-served)
			})
		}
	}
}

// A peer that does not read is disconnected, and its memory is released.
func TestPeerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t.Context(), t, new(Server))
		c.write(frame(ws.OpPing, true, ""))
		began := time.Now()
		require.ErrorIs(t, <-c.done, os.ErrDeadlineExceeded)
		require.Equal(t, writeTimeout, time.Since(began))
	})
}

func TestListenerClosedByOthers(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			ln := loopback(t)
			ln.Close()
			require.ErrorIs(t, v.serve(new(Server), t.Context(), ln), net.ErrClosed)
		})
	}
}

func TestPage(t *testing.T) {
	ln := loopback(t)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- new(Server).ServeHTTP(ctx, ln) }()
	for _, tt := range []struct {
		method, path string
		status       int
		contentType  string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8"},
		{"GET", "/none", 404, "text/plain; charset=utf-8"},
		{"POST", "/", 405, "text/plain; charset=utf-8"},
		{"GET", "/ws", 426, "text/plain; charset=utf-8"},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, "http://"+ln.Addr().String()+tt.path, nil)
			require.NoError(t, err)
			res, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.Equal(t, tt.status, res.StatusCode)
			require.Equal(t, tt.contentType, res.Header.Get("Content-Type"))
			if tt.path == "/" && tt.status == 200 {
				require.Equal(t, string(page), string(body))
				require.NotContains(t, string(body), "://cdn", "the page needs no other server")
			}
		})
	}
	http.DefaultClient.CloseIdleConnections()
	cancel()
	require.NoError(t, <-served)
}
