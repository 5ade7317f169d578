package attach

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/wsloop"
)

func TestAttach(t *testing.T) {
	for _, secure := range []bool{false, true} {
		server, err := wsloop.New(nil, Greeter())
		require.NoError(t, err)
		h := Handler(server, func(r *http.Request) string { return r.URL.Query().Get("name") })
		web := httptest.NewUnstartedServer(h)
		if secure {
			web.StartTLS()
		} else {
			web.Start()
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		url := "ws" + strings.TrimPrefix(web.URL, "http") + "/?name=gopher"
		c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: web.Client()})
		require.NoError(t, err)
		_, p, err := c.Read(ctx)
		require.NoError(t, err)
		require.Equal(t, "hello, gopher", string(p))
		require.NoError(t, c.Write(ctx, websocket.MessageText, []byte("echo")))
		_, p, err = c.Read(ctx)
		require.NoError(t, err)
		require.Equal(t, "echo", string(p))
		require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
		require.NoError(t, server.Shutdown(ctx))
		web.Close()
	}
}
