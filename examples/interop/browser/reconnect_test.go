//go:build js

package browser

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/reconnect"
)

// A client comes back after connections that were cut, subscribes on each, and
// sends what is queued on the one that lasts.
func TestReconnect(t *testing.T) {
	subscribed := 0
	client := reconnect.New(server("/flaky?client="+t.Name()), &reconnect.Options{
		MinDelay: time.Millisecond, MaxDelay: 10 * time.Millisecond,
		OnConnect: func(ctx context.Context, conn *websocket.Conn) error {
			subscribed++
			return conn.Write(ctx, websocket.MessageText, []byte("subscribe"))
		},
	})
	var got []string
	err := client.Run(within(t), func(ctx context.Context, conn *websocket.Conn) error {
		for len(got) < 2 {
			_, p, err := conn.Read(ctx)
			if err != nil {
				return err
			}
			if got = append(got, string(p)); len(got) == 1 {
				if err := client.Send(websocket.MessageText, []byte("queued")); err != nil {
					return err
				}
			}
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"subscribe", "queued"}, got)
	require.Equal(t, flakyDrops+1, subscribed)
}

// flakyDrops is how many connections the server cuts before it keeps one.
const flakyDrops = 3

// A server that asks not to be dialed again is not.
func TestReconnectGivesUp(t *testing.T) {
	client := reconnect.New(server("/close?code=1008&reason=no"), &reconnect.Options{MinDelay: time.Millisecond})
	err := client.Run(within(t), func(ctx context.Context, conn *websocket.Conn) error {
		for _, err := range conn.Messages(ctx) {
			if err != nil {
				return err
			}
		}
		return nil
	})
	var gaveUp *reconnect.GaveUpError
	require.True(t, errors.As(err, &gaveUp), "%v", err)
	require.Equal(t, websocket.StatusPolicyViolation, websocket.CloseStatus(err))
}

// Send queues, and what was sent arrives in order, before what Write sends
// after it.
func TestSend(t *testing.T) {
	c := dial(t, "/echo", nil)
	for _, text := range []string{"one", "two", "three"} {
		result, err := c.Send(websocket.MessageText, []byte(text))
		require.NoError(t, err)
		require.True(t, result.Taken())
	}
	require.NoError(t, c.Write(within(t), websocket.MessageText, []byte("four")))
	for _, want := range []string{"one", "two", "three", "four"} {
		_, p, err := c.Read(within(t))
		require.NoError(t, err)
		require.Equal(t, want, string(p))
	}
	require.Zero(t, c.Buffered())
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
}
