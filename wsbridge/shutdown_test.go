package wsbridge_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/wsbridge"
	"github.com/wskit/wskit/wsflate"
)

// Shutdown closes both sides with a close frame, and refuses what comes after
// it.
func TestShutdown(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	pairs(t, func(t *testing.T, front, back bool) {
		for _, compression := range []*wsflate.Parameters{nil, new(wsflate.Parameters)} {
			got := make(chan error, 1)
			backend := start(t, back, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := websocket.Accept(w, r, nil)
				if err == nil {
					_, _, err = c.Read(context.Background())
					c.CloseNow()
				}
				got <- err
			}))
			h := &wsbridge.Handler{Compression: compression}
			proxy := bridge(t, front, backend, h)
			c, _, err := proxy.dial(t, websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover})
			require.NoError(t, err)
			read := make(chan error, 1)
			go func() {
				_, _, err := c.Read(t.Context())
				read <- err
			}()
			require.NoError(t, h.Shutdown(t.Context()))
			want := websocket.CloseError{Code: websocket.StatusGoingAway, Reason: "shutdown"}
			require.Equal(t, want, asClose(<-read))
			require.Equal(t, want, asClose(<-got))
			_, resp, err := proxy.dial(t, websocket.DialOptions{})
			require.Error(t, err)
			require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
			require.NoError(t, h.Shutdown(t.Context()), "again")
			proxy.Close()
			backend.Close()
		}
	})
}

// A bridge whose sides do not answer ends with the context of Shutdown, and so
// does one whose backend has not answered the handshake.
func TestShutdownEndsWithItsContext(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	pairs(t, func(t *testing.T, front, back bool) {
		asked, end := make(chan struct{}, 2), make(chan struct{})
		backend := start(t, back, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-First") == "" {
				c, err := websocket.Accept(w, r, nil)
				if err == nil {
					defer c.CloseNow()
				}
			}
			asked <- struct{}{}
			<-end
		}))
		h := new(wsbridge.Handler)
		proxy := bridge(t, front, backend, h)
		c, _, err := proxy.dial(t, websocket.DialOptions{})
		require.NoError(t, err)
		<-asked
		dialed := make(chan error, 1)
		go func() {
			_, _, err := proxy.dial(t, websocket.DialOptions{HTTPHeader: http.Header{"X-First": {"wait"}}})
			dialed <- err
		}()
		<-asked
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, h.Shutdown(ctx), context.Canceled)
		require.Error(t, <-dialed)
		for err = error(nil); err == nil; {
			_, _, err = c.Read(t.Context())
		}
		c.CloseNow()
		close(end)
		proxy.Close()
		backend.Close()
	})
}
