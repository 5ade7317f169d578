package guide_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/examples/internal/program"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsloop"
)

func boundedOptions() *websocket.AcceptOptions {
	return &websocket.AcceptOptions{
		HandshakeLimits: ws.HandshakeLimits{MaxProtocols: 4, MaxExtensions: 4},
		ConnOptions: websocket.ConnOptions{
			ReadLimit:    64 << 10,                                       // bytes of a message, after decompression
			Queue:        websocket.SendQueueOptions{MaxBytes: 64 << 10}, // bytes that wait for a slow client
			WriteTimeout: 10 * time.Second,
			KeepAlive:    30 * time.Second, // finds clients that have vanished
		},
	}
}

// limit answers with status 503 while n connections are open.
func limit(n int, handler http.HandlerFunc) http.HandlerFunc {
	slots := make(chan struct{}, n)
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			handler(w, r)
		default:
			w.Header().Set("Retry-After", "30")
			http.Error(w, "too many connections", http.StatusServiceUnavailable)
		}
	}
}

func TestLimits(t *testing.T) {
	options := boundedOptions()
	server := httptest.NewServer(limit(2, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, options)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.Read(r.Context())
	}))
	defer server.Close()
	var open []*websocket.Conn
	for range 2 {
		c, _, err := websocket.Dial(t.Context(), server.URL, nil)
		require.NoError(t, err)
		defer c.CloseNow()
		open = append(open, c)
	}
	_, _, err := websocket.Dial(t.Context(), server.URL, nil)
	wait, ok := websocket.RetryAfter(err)
	require.True(t, ok)
	require.Equal(t, 30*time.Second, wait)
	require.True(t, websocket.Retryable(err))

	require.NoError(t, open[0].Write(t.Context(), websocket.MessageBinary, make([]byte, 64<<10+1)))
	_, _, err = open[0].Read(t.Context())
	require.Equal(t, websocket.StatusMessageTooBig, websocket.CloseStatus(err))
}

// idle hands the connection to a goroutine and returns, so that net/http releases what it
// holds for the handler.
func idle(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	go func() {
		defer c.CloseNow()
		ctx := context.Background() // r.Context() ends with the handler
		for msg, err := range c.BorrowedMessages(ctx) {
			if err != nil || c.Write(ctx, msg.Type, msg.Data) != nil {
				return
			}
		}
	}()
}

// serveMany serves connections that mostly wait, until ctx ends. What is broadcast to the
// group reaches all of them.
func serveMany(ctx context.Context, ln net.Listener, group *websocket.Group) error {
	server, err := wsloop.New(&wsloop.Config{
		KeepAlive: time.Minute,
		MaxConns:  200_000,
	}, &wsloop.Handler{
		Open: func(c *wsloop.Conn) { group.JoinMember(c) },
		Message: func(c *wsloop.Conn, op ws.OpCode, payload []byte) {
			c.Send(op, payload) // never blocks
		},
	})
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	return server.Serve(ln)
}

func TestServeMany(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var group websocket.Group
	served := make(chan error, 1)
	go func() { served <- serveMany(ctx, ln, &group) }()

	c := program.Dial(t, "ws://"+ln.Addr().String(), nil)
	program.Echo(t, c, "hello")
	news, err := websocket.NewPreparedMessage(websocket.MessageText, []byte("news"))
	require.NoError(t, err)
	taken, missed := group.Broadcast(news)
	require.Equal(t, []int{1, 0}, []int{taken, missed})
	_, p, err := c.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, "news", string(p))

	closed := make(chan error, 1)
	go func() { closed <- group.Shutdown(t.Context()) }()
	_, _, err = c.Read(t.Context())
	require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err))
	require.NoError(t, <-closed)
	stop()
	require.ErrorIs(t, <-served, wsloop.ErrServerClosed)
}

func TestIdle(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(idle))
	defer server.Close()
	c := program.Dial(t, server.URL, nil)
	program.Echo(t, c, "hello")
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
}
