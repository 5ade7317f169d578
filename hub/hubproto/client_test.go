package hubproto_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/hubproto"
	"github.com/wskit/wskit/websocket"
)

func TestClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(&hub.Options{Broker: keep(10)})
		n := newNetwork(t, &hubproto.Server{Hub: h})
		c := n.client(t)
		var a, wide log
		require.NoError(t, c.Subscribe("a", &hubproto.SubscribeOptions{Presence: json.RawMessage(`"me"`)}, a.note))
		require.Error(t, c.Subscribe("a", nil, a.note))
		require.Error(t, c.Subscribe("b", &hubproto.SubscribeOptions{Presence: json.RawMessage(`x`)}, a.note))
		require.NoError(t, c.Ping(background))
		require.NoError(t, c.Subscribe("*", nil, wide.note))
		at, err := c.Publish(background, "a", map[string]int{"n": 1}, &hubproto.PublishOptions{Once: "1"})
		require.NoError(t, err)
		again, err := c.Publish(background, "a", 2, &hubproto.PublishOptions{Once: "1", Key: "k"})
		require.NoError(t, err)
		require.Equal(t, at, again)
		_, err = h.Publish(background, "a", hub.Text("text"))
		require.NoError(t, err)
		_, err = h.Publish(background, "b", hub.Binary([]byte("bytes")))
		require.NoError(t, err)
		members, count, err := c.Presence(background, "a", -1)
		require.NoError(t, err)
		require.Equal(t, 1, count)
		require.Equal(t, `"me"`, string(members[0].Data))
		synctest.Wait()
		require.Equal(t, []string{"a: live", `a: join "me"`, `a: {"n":1}`, "a: text"}, a.take())
		require.Equal(t, []string{"*: live", `a: {"n":1}`, "a: text", "b: bytes"}, wide.take())

		c.Unsubscribe("a")
		c.Unsubscribe("none")
		require.NoError(t, c.Ping(background))
		synctest.Wait()
		require.Empty(t, a.take())
		require.Equal(t, []string{`a: leave "me"`}, wide.take())
		_, err = c.Publish(background, "a.*", 1, nil)
		refused, ok := errors.AsType[*hubproto.Error](err)
		require.True(t, ok)
		require.Equal(t, hubproto.CodeTopic, refused.Code)
		_, err = c.Publish(background, "a", func() {}, nil)
		require.Error(t, err)
		_, _, err = c.Presence(background, "none", 0)
		require.ErrorContains(t, err, "denied")
	})
}

// A client that was away gets what it has missed, once and in order, or learns that
// it is gone.
func TestClientResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(&hub.Options{Broker: keep(100)})
		n := newNetwork(t, &hubproto.Server{Hub: h})
		c := n.client(t)
		var a, none, wide log
		require.NoError(t, c.Subscribe("a", nil, a.note))
		require.NoError(t, c.Subscribe("none", nil, none.note))
		require.NoError(t, c.Subscribe("a*", nil, wide.note)) // a topic with an odd name
		synctest.Wait()
		publish(t, h, "a", 0)
		synctest.Wait()
		require.Equal(t, []string{"a: live", "a: 0"}, a.take())
		require.Equal(t, []string{"none: live"}, none.take())
		next := 1
		for range 5 {
			n.setAway(true)
			for range 50 {
				publish(t, h, "a", next)
				next++
			}
			time.Sleep(time.Minute)
			n.setAway(false)
			time.Sleep(time.Minute)
		}
		var want []string
		for i := 1; i < next; i++ {
			want = append(want, fmt.Sprintf("a: %d", i))
		}
		var messages []string
		for _, e := range a.take() {
			if e != "a: live" {
				messages = append(messages, e)
			}
		}
		require.Equal(t, want, messages)
		require.Equal(t, []string{"none: gap", "none: live"}, none.take()[:2])

		n.setAway(true)
		for range 200 {
			publish(t, h, "a", "lost")
		}
		n.setAway(false)
		time.Sleep(time.Minute)
		publish(t, h, "a", "new")
		synctest.Wait()
		require.Equal(t, []string{"a: gap", "a: live", `a: "new"`}, a.take())
	})
}

// A pattern that covers a topic which is being recovered causes neither a gap nor a
// duplicate.
func TestClientResumesBesidePattern(t *testing.T) {
	h := hub.New(&hub.Options{Broker: keep(10_000)})
	n := newNetwork(t, &hubproto.Server{Hub: h})
	start := publish(t, h, "a", "before")
	const messages = 500
	go func() {
		for i := range messages {
			publish(t, h, "a", i)
		}
	}()
	c := n.client(t)
	got := make(chan string, messages+1)
	require.NoError(t, c.Subscribe("*", nil, func(hubproto.Event) {}))
	require.NoError(t, c.Subscribe("a", &hubproto.SubscribeOptions{Since: start}, func(e hubproto.Event) {
		if e.Kind == hubproto.Message {
			got <- string(e.Data)
		}
	}))
	for i := range messages {
		require.Equal(t, fmt.Sprint(i), <-got)
	}
}

// A client that is too slow for its queue gets everything in the end.
func TestSlowClientRecovers(t *testing.T) {
	for _, policy := range []websocket.SendPolicy{websocket.SendClose, websocket.SendDropNew, websocket.SendDropOldest} {
		t.Run(policy.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := hub.New(&hub.Options{Broker: keep(10_000)})
				n := newNetwork(t, &hubproto.Server{Hub: h})
				n.conn.Queue = websocket.SendQueueOptions{MaxMessages: 10, Policy: policy}
				n.conn.CloseTimeout = time.Second
				c := n.client(t)
				var a log
				require.NoError(t, c.Subscribe("a", nil, func(e hubproto.Event) {
					time.Sleep(time.Millisecond)
					a.note(e)
				}))
				require.NoError(t, c.Ping(background))
				synctest.Wait() // the subscription is live
				var want []string
				for i := range 300 {
					publish(t, h, "a", i)
					want = append(want, fmt.Sprintf("a: %d", i))
					if i%100 == 99 {
						time.Sleep(time.Minute)
					}
				}
				for range 3 { // a ping makes the server tell of a gap
					require.NoError(t, c.Ping(background))
					time.Sleep(time.Minute)
				}
				var got []string
				for _, e := range a.take() {
					if e != "a: live" {
						got = append(got, e)
					}
				}
				require.Equal(t, want, got)
			})
		})
	}
}

// Calls that were not answered when the connection was lost say so.
func TestClientLosesCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entered := make(chan struct{}, 1)
		release := make(chan struct{})
		h := hub.New(&hub.Options{CanPublish: func(context.Context, *hub.Member, string, *hub.Publication) error {
			entered <- struct{}{}
			<-release
			return nil
		}})
		n := newNetwork(t, &hubproto.Server{Hub: h})
		c := n.client(t)
		failed := make(chan error)
		go func() {
			_, err := c.Publish(background, "a", 1, nil)
			failed <- err
		}()
		<-entered
		n.setAway(true)
		require.ErrorIs(t, <-failed, hubproto.ErrLost)
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		require.ErrorIs(t, c.Ping(ctx), context.DeadlineExceeded, "there is no connection")
		close(release)
		n.setAway(false)
		require.NoError(t, c.Ping(background), "it waits for one")
	})
}

// Calls do not wait for a client that has ended.
func TestClientThatHasEnded(t *testing.T) {
	c := hubproto.NewClient("http://[", nil)
	failed := make(chan error)
	go func() { failed <- c.Ping(background) }()
	err := c.Run(background)
	require.Error(t, err)
	require.ErrorIs(t, <-failed, err)
	require.ErrorIs(t, c.Ping(background), err)
}

// A broker that is away makes subscriptions wait.
func TestClientTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		away.Store(true)
		h := hub.New(&hub.Options{CanSubscribe: func(_ context.Context, _ *hub.Member, topic string) error {
			switch {
			case topic == "secret":
				return errors.New("no")
			case away.Load():
				return &hubproto.Error{Code: hubproto.CodeAway, Text: "later"}
			}
			return nil
		}})
		n := newNetwork(t, &hubproto.Server{Hub: h})
		c := n.client(t)
		var a, secret log
		require.NoError(t, c.Subscribe("a", nil, a.note))
		require.NoError(t, c.Subscribe("secret", nil, secret.note))
		time.Sleep(10 * time.Second)
		require.Empty(t, a.take())
		require.Equal(t, []string{"secret: refused: hubproto: denied: the server does not allow this"}, secret.take())
		away.Store(false)
		time.Sleep(10 * time.Second)
		require.Equal(t, []string{"a: live"}, a.take())
		require.NoError(t, c.Subscribe("secret", nil, secret.note), "it has ended")
		synctest.Wait()
	})
}
