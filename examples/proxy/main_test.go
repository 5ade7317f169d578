package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wskit/wskit/examples/internal/program"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a backend and the proxy before it. Both end before the test does.
func start(t *testing.T, handler http.HandlerFunc) (url string) {
	backend := program.Start(t, func(ctx context.Context, ln net.Listener) error {
		server := &http.Server{Handler: handler}
		context.AfterFunc(ctx, func() { server.Close() })
		server.Serve(ln)
		return nil
	})
	return "ws://" + program.Start(t, (&proxy{backend: "ws://" + backend}).run)
}

func echo(opts *websocket.AcceptOptions) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, opts)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for msg, err := range c.Messages(r.Context()) {
			if err != nil || c.Write(r.Context(), msg.Type, msg.Data) != nil {
				return
			}
		}
	}
}

func TestForwards(t *testing.T) {
	var stats websocket.Stats
	forwarded := make(chan http.Header, 1)
	url := start(t, echo(&websocket.AcceptOptions{
		Subprotocols:    []string{"chat"},
		CompressionMode: websocket.CompressionContextTakeover,
		OnHandshake:     func(r *http.Request, _ http.Header) error { forwarded <- r.Header; return nil },
		ConnOptions:     websocket.ConnOptions{ReadLimit: -1, Stats: &stats},
	}))
	c := program.Dial(t, url, &websocket.DialOptions{
		Subprotocols:    []string{"other", "chat"},
		CompressionMode: websocket.CompressionContextTakeover,
		HTTPHeader:      http.Header{"Cookie": {"session=1"}},
		ConnOptions:     websocket.ConnOptions{ReadLimit: -1},
	})
	require.Equal(t, "chat", c.Subprotocol())
	h := <-forwarded
	require.Equal(t, "127.0.0.1", h.Get("X-Forwarded-For"))
	require.Empty(t, h.Get("Cookie"))

	long := strings.Repeat("compressed on both sides, and not between ", 20000)
	for _, text := range []string{"hello", long, "", long} {
		program.Echo(t, c, text)
	}
	require.Less(t, stats.WireBytesRead.Load(), stats.BytesRead.Load()/10)

	ctx := c.CloseRead(t.Context()) // the proxy passes pings on as well
	require.NoError(t, c.Ping(ctx))
	require.NoError(t, c.Close(4001, "bye"))
	require.True(t, c.CloseRecord().Clean)
	require.EqualValues(t, 1, stats.ClosesRead(4001))
}

func TestRefusals(t *testing.T) {
	refused := start(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "secret", http.StatusTeapot) })
	gone := "ws://" + program.Start(t, (&proxy{backend: "ws://127.0.0.1:1"}).run)
	for url, want := range map[string]int{refused: http.StatusTeapot, gone: http.StatusBadGateway} {
		_, _, err := websocket.Dial(t.Context(), url, nil)
		refusal, ok := errors.AsType[*ws.ConnectionRejectedError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, want, refusal.StatusCode())
		require.NotContains(t, string(refusal.Body()), "secret")
	}
}

// A frame that may not be there ends both connections, and does not reach the
// backend.
func TestBadFrames(t *testing.T) {
	ended := make(chan error, 1)
	url := start(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err == nil {
			defer c.CloseNow()
			_, _, err = c.Read(r.Context())
		}
		ended <- err
	})
	for name, frame := range map[string]ws.Frame{
		"unmasked":     ws.NewTextFrame([]byte("x")),
		"continuation": ws.MaskFrame(ws.NewFrame(ws.OpContinuation, true, nil)),
		"too long":     {Header: ws.Header{Fin: true, OpCode: ws.OpBinary, Masked: true, Length: mostFrame + 1}},
	} {
		conn, _, _, err := ws.Dial(t.Context(), url)
		require.NoError(t, err, name)
		_, err = conn.Write(ws.AppendHeader(nil, frame.Header))
		require.NoError(t, err)
		require.Error(t, <-ended, name)
		_, err = conn.Read(make([]byte, 1))
		require.Error(t, err, name)
		conn.Close()
	}
}
