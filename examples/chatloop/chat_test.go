package chatloop

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
)

func TestChat(t *testing.T) {
	s, err := New()
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go s.Serve(l)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	join := func(room string) *websocket.Conn {
		c, _, err := websocket.Dial(ctx, "ws://"+l.Addr().String()+"/"+room, nil)
		require.NoError(t, err)
		t.Cleanup(func() { c.CloseNow() })
		return c
	}
	a, b, elsewhere := join("tea"), join("tea"), join("coffee")
	say := func(c *websocket.Conn, text string) {
		require.NoError(t, c.Write(ctx, websocket.MessageText, []byte(text)))
	}
	hear := func(c *websocket.Conn) string {
		_, p, err := c.Read(ctx)
		require.NoError(t, err)
		return string(p)
	}
	say(elsewhere, "black")
	require.Equal(t, "black", hear(elsewhere), "everybody has joined by now")
	for hear := hear; ; { // b joins after its handshake
		say(a, "hello")
		require.Equal(t, "hello", hear(a))
		if s.Conns() == 3 {
			break
		}
	}
	require.Equal(t, "hello", hear(b))

	_, _, err = websocket.Dial(ctx, "ws://"+l.Addr().String()+"/", nil)
	require.ErrorContains(t, err, "404")
	for _, c := range []*websocket.Conn{a, b, elsewhere} {
		c.CloseNow()
	}
	require.NoError(t, s.Shutdown(ctx))
}
