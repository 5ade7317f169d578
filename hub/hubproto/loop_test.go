package hubproto_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/hubproto"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/reconnect"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsloop"
)

// absent is a broker without other hubs, whose presence takes all the time that a call
// has.
type absent struct{}

func (absent) Publish(context.Context, string, hub.Publication) (at hub.Position, err error) {
	return at, nil
}
func (absent) Subscribe(context.Context, string) error { return nil }
func (absent) Unsubscribe(string)                      {}

func (absent) History(context.Context, string, hub.Position, int) ([]hub.Publication, hub.Position, error) {
	return nil, hub.Position{}, hub.ErrNoHistory
}

func (absent) Run(context.Context, hub.Handler) error { return nil }

func (absent) SetPresence(context.Context, string, hub.Presence, time.Duration) error { return nil }

func (absent) RemovePresence(ctx context.Context, _, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

func (absent) Presence(ctx context.Context, _ string, _ int) ([]hub.Presence, int, error) {
	<-ctx.Done()
	return nil, 0, ctx.Err()
}

// What waits for the program or the broker stops neither the loop nor the order of
// answers.
func TestLoopDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := hub.New(&hub.Options{
			Broker: absent{},
			CanPublish: func(context.Context, *hub.Member, string, *hub.Publication) error {
				<-release
				return nil
			},
		})
		n := newLoopNetwork(t, &hubproto.Server{Hub: h})
		ann, bob := n.dial(t), n.dial(t)
		others := func() { // are served at once
			t.Helper()
			began := time.Now()
			bob.send(`{"id":1,"do":"ping"}`)
			bob.want(`{"re":1}`)
			require.Zero(t, time.Since(began))
		}
		ann.send(`{"id":1,"do":"publish","topic":"a","data":1}`)
		_, err := ann.conn.Send(websocket.MessageText, []byte(`{"id":2,"do":"ping"}`)) // it is not read yet
		require.NoError(t, err)
		synctest.Wait()
		others()
		close(release)
		ann.want(`{"re":1}`)
		ann.want(`{"re":2}`)

		ann.send(`{"id":3,"do":"subscribe","topic":"room","presence":"ann"}`)
		ann.want(`{"re":3}`)
		ann.send(`{"id":4,"do":"presence","topic":"room"}`)
		synctest.Wait()
		others()
		ann.want(`{"re":4,"error":"away","text":"the broker does not answer"}`)
		ann.conn.CloseNow()
		synctest.Wait()
		others()
		require.Equal(t, 1, h.Stats().Members)
		time.Sleep(hub.DefaultBrokerTimeout) // its leave ends as well
	})
}

// A publication that no queue of the loops can hold is lost for a client, which hears of
// it and goes on.
func TestLoopTooLargePublication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(&hub.Options{Broker: keep(100)})
		c := newLoopNetwork(t, &hubproto.Server{Hub: h}).client(t)
		var got log
		require.NoError(t, c.Subscribe("a", nil, got.note))
		require.NoError(t, c.Ping(background))
		publish(t, h, "a", strings.Repeat("x", 100<<10))
		publish(t, h, "a", 1)
		require.NoError(t, c.Ping(background))
		time.Sleep(time.Second)
		publish(t, h, "a", 2)
		require.NoError(t, c.Ping(background))
		require.Equal(t, []string{"a: live", "a: gap", "a: live", "a: 2"}, got.take())
	})
}

// The client in Go resumes at a server on loops, over TCP.
func TestLoopServer(t *testing.T) {
	h := hub.New(&hub.Options{Broker: keep(100), CanSubscribe: func(_ context.Context, m *hub.Member, _ string) error {
		if m.Value() != "ann" {
			return errors.New("it is somebody else")
		}
		return nil
	}})
	handler := (&hubproto.Server{Hub: h}).LoopHandler(background)
	conns := make(chan *wsloop.Conn, 10)
	open := handler.Open
	handler.Open = func(c *wsloop.Conn) {
		open(c)
		conns <- c
	}
	loops, err := wsloop.New(&wsloop.Config{OnRequest: func(_ *ws.Request, o *wsloop.Options) error {
		o.Value = "ann"
		return nil
	}}, handler)
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error)
	go func() { served <- loops.Serve(ln) }()

	c := hubproto.NewClient("ws://"+ln.Addr().String(), &hubproto.ClientOptions{Reconnect: reconnect.Options{MinDelay: time.Millisecond}})
	ctx, stop := context.WithCancel(background)
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	events := make(chan hubproto.Event, 100)
	require.NoError(t, c.Subscribe("a", &hubproto.SubscribeOptions{Presence: []byte(`"me"`)}, func(e hubproto.Event) { events <- e }))
	next := func(kind hubproto.EventKind) string {
		t.Helper()
		e := <-events
		for e.Kind == hubproto.Join || e.Kind == hubproto.Leave {
			e = <-events
		}
		require.Equal(t, kind, e.Kind)
		return string(e.Data)
	}
	next(hubproto.Live)
	for i := range 3 {
		_, err := c.Publish(background, "a", i, nil)
		require.NoError(t, err)
		require.Equal(t, string('0'+rune(i)), next(hubproto.Message))
		(<-conns).CloseNow()
		publish(t, h, "a", "meanwhile")
		require.Equal(t, `"meanwhile"`, next(hubproto.Message))
		next(hubproto.Live)
	}
	_, count, err := c.Presence(background, "a", 0)
	require.NoError(t, err)
	require.Positive(t, count)

	stop()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.NoError(t, loops.Shutdown(background))
	require.ErrorIs(t, <-served, wsloop.ErrServerClosed)
	for h.Stats().Members > 0 { // they leave on goroutines
		time.Sleep(time.Millisecond)
	}
}
