package guide_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/reconnect"
	"github.com/wskit/wskit/websocket/wstest"
)

// newDeployable returns a server and the group of its connections.
func newDeployable(handle func(context.Context, *websocket.Conn)) (*http.Server, *websocket.Group) {
	group := &websocket.Group{
		Code:   websocket.StatusServiceRestart, // 1012: come back
		Reason: "deploying",
		Jitter: 20 * time.Second,
	}
	options := &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Group: group}}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, options)
			if err != nil {
				return
			}
			defer c.CloseNow()
			handle(r.Context(), c)
		}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	return server, group
}

// stop lets handlers answer what they work on, closes all connections over 20 seconds, and
// ends the server.
func stop(server *http.Server, group *websocket.Group) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return errors.Join(group.Drain(ctx), server.Shutdown(ctx))
}

func echoUntilDrained(ctx context.Context, c *websocket.Conn) {
	for msg, err := range c.Messages(ctx) {
		if err != nil || c.Write(ctx, msg.Type, msg.Data) != nil {
			return
		}
	}
}

// watch keeps a client connected. It asks for what it has missed on each connection.
func watch(ctx context.Context, url string, dial *websocket.DialOptions, show func(string)) error {
	client := reconnect.New(url, &reconnect.Options{
		DialOptions: dial,
		OnConnect: func(ctx context.Context, c *websocket.Conn) error {
			return c.Write(ctx, websocket.MessageText, []byte("subscribe"))
		},
	})
	return client.Run(ctx, func(ctx context.Context, c *websocket.Conn) error {
		for msg, err := range c.Messages(ctx) {
			if err != nil {
				return err // Run decides whether to dial again
			}
			show(string(msg.Data))
		}
		return nil
	})
}

func TestDeploy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, group := newDeployable(echoUntilDrained)
		ln := wstest.Listen(nil)
		served := make(chan error, 1)
		go func() { served <- server.Serve(ln) }()
		dial := &websocket.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{DialContext: ln.DialContext}}}

		shown := make(chan string, 10)
		ctx, cancel := context.WithCancel(t.Context())
		watched := make(chan error, 1)
		go func() { watched <- watch(ctx, "ws://server.example/", dial, func(text string) { shown <- text }) }()
		require.Equal(t, "subscribe", <-shown)

		c, _, err := websocket.Dial(t.Context(), "ws://server.example/", dial)
		require.NoError(t, err)
		closed := make(chan error, 1)
		go func() {
			_, _, err := c.Read(t.Context())
			closed <- err
		}()
		require.NoError(t, stop(server, group))
		require.Equal(t, websocket.StatusServiceRestart, websocket.CloseStatus(<-closed))
		require.ErrorIs(t, <-served, http.ErrServerClosed)

		cancel()
		require.ErrorIs(t, <-watched, context.Canceled)
		require.NoError(t, ln.Close())
	})
}
