package hub_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/internal/heap"
	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsloop"
	"github.com/wskit/wskit/wsutil"
)

// serve makes each client that connects a member, on a goroutine of its own,
// which is subscribed to the topics that the client names.
func serve(t *testing.T, h *hub.Hub, o websocket.ConnOptions) (url string) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			CompressionMode: websocket.CompressionNoContextTakeover,
			ConnOptions:     o,
		})
		if err != nil {
			return
		}
		defer c.CloseNow()
		m, err := h.Join(hub.Conn(c, nil), nil)
		if err != nil {
			return
		}
		defer m.Leave()
		for msg, err := range c.Messages(r.Context()) {
			if err != nil {
				return
			}
			m.Subscribe(r.Context(), string(msg.Data), nil)
			c.Write(r.Context(), websocket.MessageText, []byte("subscribed"))
		}
	}))
	t.Cleanup(srv.Close)
	return "ws" + strings.TrimPrefix(srv.URL, "http")
}

// serveOnLoop is serve for connections on a loop.
func serveOnLoop(t *testing.T, h *hub.Hub, cfg *wsloop.Config) (url string) {
	loops, err := wsloop.New(cfg, &wsloop.Handler{
		Open: func(c *wsloop.Conn) {
			if m, err := h.Join(hub.LoopConn(c, nil), nil); err == nil {
				c.SetValue(m)
			}
		},
		Message: func(c *wsloop.Conn, op ws.OpCode, p []byte) {
			topic := string(p)
			c.Go(func() {
				wsloop.ValueOf[*hub.Member](c).Subscribe(background, topic, nil)
				c.Send(ws.OpText, []byte("subscribed"))
			})
		},
		Close: func(c *wsloop.Conn, _ wsloop.End) { wsloop.ValueOf[*hub.Member](c).Leave() },
	})
	require.NoError(t, err)
	t.Cleanup(func() { loops.Shutdown(background) })
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, hs, err := ws.HTTPUpgrader{}.Upgrade(r, w)
		if err == nil {
			loops.Attach(conn, rw.Reader, hs, ws.StateServerSide, nil)
		}
	}))
	t.Cleanup(srv.Close)
	return "ws" + strings.TrimPrefix(srv.URL, "http")
}

func dial(t *testing.T, url string, mode websocket.CompressionMode, topics ...string) *websocket.Conn {
	c, _, err := websocket.Dial(background, url, &websocket.DialOptions{CompressionMode: mode})
	require.NoError(t, err)
	t.Cleanup(func() { c.CloseNow() })
	for _, topic := range topics {
		require.NoError(t, c.Write(background, websocket.MessageText, []byte(topic)))
		require.Equal(t, "subscribed", receive(t, c))
	}
	return c
}

func receive(t *testing.T, c *websocket.Conn) string {
	ctx, cancel := context.WithTimeout(background, time.Minute)
	defer cancel()
	_, p, err := c.Read(ctx)
	require.NoError(t, err)
	return string(p)
}

// One publication reaches connections of both kinds, compressed or not.
func TestConnections(t *testing.T) {
	h := hub.New(&hub.Options{Broker: keep(10)})
	url, loop := serve(t, h, websocket.ConnOptions{}), serveOnLoop(t, h, nil)
	var clients []*websocket.Conn
	for _, url := range []string{url, loop} {
		for _, mode := range []websocket.CompressionMode{
			websocket.CompressionDisabled, websocket.CompressionNoContextTakeover, websocket.CompressionContextTakeover,
		} {
			clients = append(clients, dial(t, url, mode, "a"))
		}
	}
	text := strings.Repeat("to all ", 300)
	prepared, err := wsutil.NewPreparedMessage(ws.OpText, []byte(text))
	require.NoError(t, err)
	_, err = h.Publish(background, "a", hub.Prepared(prepared))
	require.NoError(t, err)
	_, err = h.Publish(background, "a", hub.Binary([]byte{1, 2}))
	require.NoError(t, err)
	publish(t, h, "a", text)
	for _, c := range clients {
		require.Equal(t, text, receive(t, c))
		typ, p, err := c.Read(background)
		require.NoError(t, err)
		require.Equal(t, websocket.MessageBinary, typ)
		require.Equal(t, []byte{1, 2}, p)
		require.Equal(t, text, receive(t, c))
	}
	drained := make(chan error, 1)
	go func() { drained <- h.Drain(background, time.Millisecond) }()
	for _, c := range clients {
		_, _, err := c.Read(background)
		require.Equal(t, websocket.StatusServiceRestart, websocket.CloseStatus(err))
	}
	require.NoError(t, <-drained)
	require.Equal(t, 0, h.Stats().Members)
}

// A client that never reads is closed or misses messages, as its policy says,
// and nobody waits for it.
func TestClientsThatDoNotRead(t *testing.T) {
	text := strings.Repeat("x", 8<<10)
	for _, policy := range []wsutil.SendPolicy{wsutil.SendClose, wsutil.SendDropNew, wsutil.SendDropOldest} {
		t.Run(policy.String(), func(t *testing.T) {
			h := hub.New(nil)
			queue := wsutil.SendQueueOptions{MaxBytes: 64 << 10, Policy: policy}
			urls := []string{
				serve(t, h, websocket.ConnOptions{Queue: queue, CloseTimeout: 10 * time.Millisecond}),
				serveOnLoop(t, h, &wsloop.Config{Queue: queue, CloseTimeout: 10 * time.Millisecond}),
			}
			for _, url := range urls {
				dial(t, url, websocket.CompressionDisabled, "a")
			}
			fast, f := join(t, h)
			subscribe(t, fast, "a")
			n := 0
			for ; n < 100_000; n++ {
				publish(t, h, "a", text)
				if st := h.Stats(); st.Dropped > 4 || st.Members == 1 {
					break
				}
			}
			require.Less(t, n, 100_000)
			require.Len(t, f.take(), n+1)
			if policy == wsutil.SendClose {
				require.Equal(t, 1, h.Stats().Members)
				return
			}
			require.Equal(t, 3, h.Stats().Members)
			require.NotEmpty(t, h.TopicStats("a").Behind)
		})
	}
}

// Clients that come, subscribe and are killed at any moment leave nothing
// behind.
func TestClientsThatDie(t *testing.T) {
	h := hub.New(&hub.Options{Broker: keep(10)})
	ctx, stop := context.WithCancel(background)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ctx.Err() == nil; i++ {
			publish(t, h, "a", fmt.Sprint(i))
			runtime.Gosched()
		}
	}()
	urls := []string{serve(t, h, websocket.ConnOptions{}), serveOnLoop(t, h, nil)}
	for i := range 60 {
		c := dial(t, urls[i%2], websocket.CompressionDisabled)
		c.Write(background, websocket.MessageText, []byte("a"))
		if i%3 > 0 {
			receive(t, c)
		}
		c.CloseNow()
	}
	require.Eventually(t, func() bool { return h.Stats().Members == 0 }, time.Minute, time.Millisecond)
	stop()
	<-ended
	require.Zero(t, h.Stats().Topics)
}

// A subscription takes less than 100 bytes.
func TestSubscriptionMemory(t *testing.T) {
	if race.Enabled {
		t.Skip("memory is different under the race detector")
	}
	for _, c := range []struct{ members, topics int }{{10_000, 1}, {2000, 8}, {200, 500}, {5, 20_000}} {
		h := hub.New(nil)
		var members []*hub.Member
		names := make([]string, c.topics)
		other, _ := join(t, h)
		for i := range names {
			names[i] = fmt.Sprint("topic.", i)
			subscribe(t, other, names[i]) // a topic is not a part of a subscription
		}
		for range c.members {
			m, _ := join(t, h)
			members = append(members, m)
		}
		before := heap.InUse()
		for _, m := range members {
			subscribe(t, m, names...)
		}
		each := float64(heap.InUse()-before) / float64(c.members*c.topics)
		t.Logf("%d members on %d topics: %.0f bytes each", c.members, c.topics, each)
		require.LessOrEqual(t, each, 100.0)
		runtime.KeepAlive(members)
	}
}

// The memory of a million topics comes back.
func TestMillionTopics(t *testing.T) {
	if race.Enabled || testing.Short() {
		t.Skip("it takes long")
	}
	const topics = 1_000_000
	defer debug.SetGCPercent(debug.SetGCPercent(1000))
	h := hub.New(nil)
	m, f := join(t, h)
	before := heap.InUse()
	for i := range topics {
		if _, err := m.Subscribe(background, fmt.Sprint("topic.", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, h, "topic.999999", "x")
	require.Equal(t, []string{"topic.999999: x"}, f.take())
	require.Equal(t, topics, len(m.Topics()))
	m.Leave()
	left := heap.InUse() - before
	t.Logf("%d bytes left", left)
	require.Less(t, left, int64(1<<20))
	require.Zero(t, h.Stats().Topics)
}

// Publishing to a topic allocates for the message, and not for each receiver.
func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("allocations are different under the race detector")
	}
	h := hub.New(nil)
	for range 100 {
		m, err := h.Join(silent{}, nil)
		require.NoError(t, err)
		defer m.Leave()
		subscribe(t, m, "a")
	}
	p := hub.Text("x")
	n := testing.AllocsPerRun(100, func() { h.Publish(background, "a", p) })
	require.LessOrEqual(t, n, 8.0)
}

// silent is a receiver that sends to nobody.
type silent struct{}

func (silent) Deliver(m *hub.Message) (wsutil.SendResult, error) {
	m.Prepared(nil)
	return wsutil.SendSent, nil
}
func (silent) Replay(context.Context, *hub.Message) error { return nil }
func (silent) Buffered() int                              { return 0 }
func (silent) Close(ws.StatusCode, string) error          { return nil }
