package wsjson_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wsjson"
)

// Programs as people have learned to write them for this API: they have to do here what
// they are said to do.

func start(t *testing.T, handler http.HandlerFunc) (url string) {
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return "ws" + srv.URL[len("http"):]
}

// A server that reads one JSON value of any kind. Both sides have a deferred Close that says
// otherwise, which the proper one before it makes a no-op.
func TestProgramWithDeferredClose(t *testing.T) {
	got := make(chan any, 1)
	url := start(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{})
		if err != nil {
			return
		}
		defer c.Close(websocket.StatusInternalError, "unexpected end")
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		defer cancel()
		var v any
		if err := wsjson.Read(ctx, c, &v); err != nil {
			got <- err
			return
		}
		got <- v
		c.Close(websocket.StatusNormalClosure, "")
	})

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{})
	require.NoError(t, err)
	defer c.Close(websocket.StatusInternalError, "unexpected end")
	require.NoError(t, wsjson.Write(ctx, c, "hi"))
	require.Equal(t, "hi", <-got)
	_, _, err = c.Read(ctx)
	require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(err))
	c.Close(websocket.StatusNormalClosure, "")
}

// A handler that only writes, and closes at the end of its context.
func TestProgramThatWritesAlone(t *testing.T) {
	url := start(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		ctx, cancel := context.WithTimeout(r.Context(), 50*time.Millisecond)
		defer cancel()
		ctx = c.CloseRead(ctx)
		ticks := time.NewTicker(time.Millisecond)
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				c.Close(websocket.StatusNormalClosure, "")
				return
			case <-ticks.C:
				if err := wsjson.Write(ctx, c, "hi"); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		}
	})
	c, _, err := websocket.Dial(t.Context(), url, nil)
	require.NoError(t, err)
	defer c.CloseNow()
	for {
		var v string
		if err = wsjson.Read(t.Context(), c, &v); err != nil {
			break
		}
		require.Equal(t, "hi", v)
	}
	require.Error(t, err)
}
