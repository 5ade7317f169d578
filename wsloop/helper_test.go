package wsloop

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wskit/wskit/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo sends every message back.
func echo() *Handler {
	return &Handler{Message: func(c *Conn, op ws.OpCode, p []byte) { c.Send(op, p) }}
}

// modes are the ways to run a server in tests that do not depend on one.
var modes = map[string]func(cfg *Config){
	"poller":     func(*Config) {},
	"goroutines": func(cfg *Config) { cfg.Goroutines = true },
}

// inModes runs a test in each mode.
func inModes(t *testing.T, test func(t *testing.T, cfg *Config)) {
	for name, set := range modes {
		t.Run(name, func(t *testing.T) {
			cfg := &Config{Loops: 1}
			set(cfg)
			test(t, cfg)
		})
	}
}

// inPoller runs a test that fills a socket: with goroutines, the transport
// counts as full during a write.
func inPoller(t *testing.T, test func(t *testing.T, cfg *Config)) {
	p, err := newPoller()
	require.NoError(t, err)
	p.close()
	if _, ok := p.(channelPoller); ok {
		t.Skip("this system has no poller")
	}
	test(t, &Config{Loops: 1})
}

// start starts a server that ends with the test.
func start(t testing.TB, cfg *Config, h *Handler) *Server {
	t.Helper()
	s, err := New(cfg, h)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		s.Close()
		require.NoError(t, s.Shutdown(ctx))
	})
	return s
}

// serve starts a server on a TCP port, and returns the port's address.
func serve(t testing.TB, cfg *Config, h *Handler) (*Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := start(t, cfg, h)
	serveOn(t, s, l)
	return s, l.Addr().String()
}

func serveOn(t testing.TB, s *Server, l net.Listener) {
	var done sync.WaitGroup
	done.Go(func() { s.Serve(l) })
	t.Cleanup(func() {
		s.Close()
		done.Wait()
	})
}

// client is a raw peer.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	wrapped, br, _, err := ws.Dial(ctx, "ws://"+addr)
	require.NoError(t, err)
	behind, received := ws.Detach(wrapped, br)
	conn := behind.(net.Conn)
	br = bufio.NewReader(io.MultiReader(bytes.NewReader(received), conn))
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &client{t: t, Conn: conn, r: br}
}

func (c *client) send(frames ...ws.Frame) {
	c.t.Helper()
	var p []byte
	for _, f := range frames {
		p = ws.AppendFrame(p, ws.MaskFrame(f))
	}
	_, err := c.Write(p)
	require.NoError(c.t, err)
}

func (c *client) text(s string) { c.t.Helper(); c.send(ws.NewTextFrame([]byte(s))) }

// next returns the next frame.
func (c *client) next() ws.Frame {
	c.t.Helper()
	f, err := ws.ReadFrame(c.r)
	require.NoError(c.t, err)
	return f
}

func (c *client) want(s string) {
	c.t.Helper()
	f := c.next()
	require.Equal(c.t, s, string(f.Payload))
}

// wantClose wants a close frame with this code, after the messages in between.
func (c *client) wantClose(code ws.StatusCode) {
	c.t.Helper()
	for {
		f := c.next()
		if f.Header.OpCode == ws.OpClose {
			got, _, err := ws.ParseCloseBody(f.Payload)
			require.NoError(c.t, err)
			require.Equal(c.t, code, got)
			return
		}
	}
}

// wantEnd wants the end of the connection, after anything.
func (c *client) wantEnd() {
	c.t.Helper()
	for {
		if _, err := c.r.Discard(1); err != nil {
			ne, ok := err.(net.Error)
			require.False(c.t, ok && ne.Timeout(), "the connection is still open")
			return
		}
	}
}

// await waits for a value.
func await[T any](t testing.TB, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		t.Fatal("it did not happen")
	}
	return v
}

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	require.NoError(t, err)
	return u
}

// holdLoop makes the first loop wait, after all tasks that it already has, until
// release is called.
func holdLoop(t *testing.T, s *Server) (release func()) {
	t.Helper()
	held, released := make(chan struct{}), make(chan struct{})
	require.True(t, s.loops[0].do(func(*loop) { close(held); <-released }))
	await(t, held)
	return func() { close(released) }
}

// watchedPoller tells what is asked of a poller.
type watchedPoller struct {
	poller
	l      *loop
	events map[identity]int // that wait has returned; of the loop
	unsafe atomic.Int64     // calls of wake without the lock of the loop
}

// watch replaces the poller of the first loop.
func watch(t *testing.T, s *Server) *watchedPoller {
	l := s.loops[0]
	p := &watchedPoller{l: l, events: make(map[identity]int)}
	done := make(chan struct{})
	require.True(t, l.do(func(l *loop) { p.poller, l.poller = l.poller, p; close(done) }))
	await(t, done)
	return p
}

func (p *watchedPoller) wait(events []event, timeout time.Duration) (int, error) {
	n, err := p.poller.wait(events, timeout)
	for _, ev := range events[:n] {
		p.events[ev.id]++
	}
	return n, err
}

func (p *watchedPoller) wake() {
	if p.l.mu.TryLock() {
		p.l.mu.Unlock()
		p.unsafe.Add(1)
	}
	p.poller.wake()
}
