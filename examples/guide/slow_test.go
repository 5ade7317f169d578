package guide_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wstest"
)

// The three kinds of feeds.

func chatOptions() websocket.ConnOptions {
	return websocket.ConnOptions{
		// A client that misses a message has to reload: close it with 1013.
		Queue:        websocket.SendQueueOptions{MaxBytes: 256 << 10, Policy: websocket.SendClose},
		WriteTimeout: 10 * time.Second,
	}
}

func logOptions() websocket.ConnOptions {
	return websocket.ConnOptions{
		// Old lines are worth less than new ones: drop the oldest.
		Queue:        websocket.SendQueueOptions{MaxMessages: 100, Policy: websocket.SendDropOldest},
		WriteTimeout: 10 * time.Second,
	}
}

// publish sends a price. Only the newest price of each symbol waits for a slow client.
func publish(group *websocket.Group, symbol, price string) error {
	m, err := websocket.NewPreparedMessage(websocket.MessageText, []byte(symbol+" "+price))
	if err != nil {
		return err
	}
	group.BroadcastKey(m, symbol)
	return nil
}

func TestSlowTicker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group websocket.Group
		client, _ := wstest.Pair(t, &wstest.PairOptions{
			Pipe:   wstest.PipeOptions{Buffer: 1}, // a client that does not read takes one byte
			Server: websocket.ConnOptions{Group: &group},
		})
		require.NoError(t, publish(&group, "AAA", "0"))
		synctest.Wait() // this one is on its way
		for price := range 1000 {
			require.NoError(t, publish(&group, "BBB", fmt.Sprint(price)))
			require.NoError(t, publish(&group, "CCC", fmt.Sprint(price)))
		}
		for _, want := range []string{"AAA 0", "BBB 999", "CCC 999"} {
			_, p, err := client.Read(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, string(p))
		}
	})
}

func TestSlowPolicies(t *testing.T) {
	for name, row := range map[string]struct {
		options websocket.ConnOptions
		want    websocket.StatusCode
	}{
		"chat": {chatOptions(), websocket.StatusTryAgainLater},
		"log":  {logOptions(), -1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := wstest.Pair(t, &wstest.PairOptions{Pipe: wstest.PipeOptions{Buffer: 1}, Server: row.options})
				line := make([]byte, 1000)
				for range 1000 {
					server.Send(websocket.MessageBinary, line)
				}
				var err error
				for err == nil {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					_, _, err = client.Read(ctx)
					cancel()
				}
				require.Equal(t, row.want, websocket.CloseStatus(err))
				require.Positive(t, server.Dropped())
			})
		})
	}
}

// download sends a stream as fast as the client reads it, and no faster.
func download(ctx context.Context, c *websocket.Conn, chunks func(yield func([]byte) bool)) error {
	for chunk := range chunks {
		if err := c.Write(ctx, websocket.MessageBinary, chunk); err != nil {
			return err
		}
	}
	return c.Close(websocket.StatusNormalClosure, "")
}

func TestDownload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := wstest.Pair(t, nil)
		ended := make(chan error, 1)
		go func() {
			ended <- download(t.Context(), server, func(yield func([]byte) bool) {
				for n := range 100 {
					if !yield([]byte{byte(n)}) {
						return
					}
				}
			})
		}()
		n := 0
		for _, err := range client.Messages(t.Context()) {
			if err != nil {
				require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(err))
				break
			}
			n++
		}
		require.Equal(t, 100, n)
		require.NoError(t, <-ended)
	})
}
