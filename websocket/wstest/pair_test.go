package wstest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wstest"
	"github.com/wskit/wskit/wsflate"
)

func TestPair(t *testing.T) {
	for name, o := range map[string]*wstest.PairOptions{
		"default":    nil,
		"chopped":    {Pipe: wstest.PipeOptions{Chop: 1}},
		"compressed": {Compression: &wsflate.Parameters{}},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := wstest.Pair(t, o)
			ctx := t.Context()
			want := fmt.Sprintf("%01000d", 7)
			require.NoError(t, client.Write(ctx, websocket.MessageText, []byte(want)))
			typ, p, err := server.Read(ctx)
			require.NoError(t, err)
			require.Equal(t, websocket.MessageText, typ)
			require.Equal(t, want, string(p))
			require.NoError(t, server.Write(ctx, websocket.MessageBinary, p))
			_, p, err = client.Read(ctx)
			require.NoError(t, err)
			require.Equal(t, want, string(p))
		})
	}
}

func TestPairLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := wstest.Pair(t, &wstest.PairOptions{Pipe: wstest.PipeOptions{Latency: time.Second}})
		ctx := server.CloseRead(t.Context())
		client.CloseRead(ctx)
		start := time.Now()
		require.NoError(t, client.Ping(ctx))
		require.Equal(t, 2*time.Second, time.Since(start))
	})
}

func TestPairFault(t *testing.T) {
	client, server := wstest.Pair(t, &wstest.PairOptions{ServerFault: &wstest.Fault{At: 3}})
	require.NoError(t, client.Write(t.Context(), websocket.MessageText, []byte("hello")))
	_, _, err := server.Read(t.Context())
	require.ErrorIs(t, err, wstest.ErrInjected)
}

func TestPairOfAGroupThatIsShuttingDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(websocket.Group)
		require.NoError(t, g.Shutdown(t.Context()))
		for _, o := range []*wstest.PairOptions{
			{Client: websocket.ConnOptions{Group: g}},
			{Server: websocket.ConnOptions{Group: g}},
		} {
			_, _, err := wstest.NewPair(o)
			require.ErrorIs(t, err, websocket.ErrGroupClosed)
		}
	})
}

// An echo server is tested over a connection in memory.
func ExampleNewPair() {
	client, server, err := wstest.NewPair(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseNow()
	go func() {
		typ, p, err := server.Read(context.Background())
		if err == nil {
			server.Write(context.Background(), typ, p)
		}
		server.Close(websocket.StatusNormalClosure, "bye")
	}()
	client.Write(context.Background(), websocket.MessageText, []byte("hello"))
	for {
		_, p, err := client.Read(context.Background())
		var e websocket.CloseError
		if errors.As(err, &e) {
			fmt.Println(e.Code, e.Reason)
			return
		}
		fmt.Println(string(p), err)
	}
	// Output:
	// hello <nil>
	// StatusNormalClosure bye
}
