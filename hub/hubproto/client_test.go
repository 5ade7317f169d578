package hubproto_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/hubproto"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

func TestClient(t *testing.T) { onEach(t, testClient) }

func testClient(t *testing.T, newNetwork opener) {
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
func TestClientResumes(t *testing.T) { onEach(t, testClientResumes) }

func testClientResumes(t *testing.T, newNetwork opener) {
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
func TestClientResumesBesidePattern(t *testing.T) { onEach(t, testClientResumesBesidePattern) }

func testClientResumesBesidePattern(t *testing.T, newNetwork opener) {
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
func TestSlowClientRecovers(t *testing.T) { onEach(t, testSlowClientRecovers) }

func testSlowClientRecovers(t *testing.T, newNetwork opener) {
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
func TestClientLosesCalls(t *testing.T) { onEach(t, testClientLosesCalls) }

func testClientLosesCalls(t *testing.T, newNetwork opener) {
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
func TestClientTriesAgain(t *testing.T) { onEach(t, testClientTriesAgain) }

func testClientTriesAgain(t *testing.T, newNetwork opener) {
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

// A client that was told to try again, and is connected anew before it does, stays
// subscribed.
func TestClientIsRefusedBeforeReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuse := true
		n := scripted(t, func(r asked) []string {
			answer := fmt.Sprintf(`{"re":%d,"at":"5-1"}`, r.ID)
			switch {
			case r.Do == "subscribe" && refuse:
				refuse = false
				return []string{fmt.Sprintf(`{"re":%d,"error":"restart","text":"later"}`, r.ID)}
			case r.Do == "ping":
				return []string{`{"topic":"a","data":1,"at":"5-2","prev":"5-1"}`, answer}
			}
			return []string{answer}
		})
		c := n.client(t)
		var got log
		require.NoError(t, c.Subscribe("a", nil, got.note))
		synctest.Wait()
		n.cut()
		time.Sleep(10 * time.Second)
		require.Equal(t, []string{"a: live"}, got.take())
		require.NoError(t, c.Ping(background))
		require.Equal(t, []string{"a: 1"}, got.take())
	})
}

// A publication as large as the server takes arrives: what the server adds to it does
// not make it too large for a client.
func TestClientReadLimit(t *testing.T) { onEach(t, testClientReadLimit) }

func testClientReadLimit(t *testing.T, newNetwork opener) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(&hub.Options{Broker: keep(100)})
		n := newNetwork(t, &hubproto.Server{Hub: h})
		c := n.client(t)
		var got log
		require.NoError(t, c.Subscribe("a", nil, got.note))
		text := strings.Repeat("x", 32<<10-50)
		for range 2 {
			_, err := c.Publish(background, "a", text, nil)
			require.NoError(t, err)
		}
		require.NoError(t, c.Ping(background))
		message := fmt.Sprintf("a: %q", text)
		require.Equal(t, []string{"a: live", message, message}, got.take())
	})
}

// The answer to a presence request is bounded, whatever the members say of themselves.
func TestPresenceAnswerIsBounded(t *testing.T) { onEach(t, testPresenceAnswerIsBounded) }

func testPresenceAnswerIsBounded(t *testing.T, newNetwork opener) {
	synctest.Test(t, func(t *testing.T) {
		const members = 9
		n := newNetwork(t, &hubproto.Server{Hub: hub.New(nil)})
		data, err := json.Marshal(strings.Repeat("x", 10<<10))
		require.NoError(t, err)
		var c *hubproto.Client
		for range members {
			c = n.client(t)
			live := make(chan bool, 1)
			require.NoError(t, c.Subscribe("room", &hubproto.SubscribeOptions{Presence: data}, func(e hubproto.Event) {
				if e.Kind == hubproto.Live {
					live <- true
				}
			}))
			<-live
		}
		synctest.Wait()
		for limit, want := range map[int]int{0: 0, 3: 3, members: 4, -1: 4} {
			got, count, err := c.Presence(background, "room", limit)
			require.NoError(t, err)
			require.Equal(t, members, count)
			require.Len(t, got, want)
		}
	})
}

// silent is a receiver of the program that takes nothing.
type silent struct{}

func (silent) Deliver(*hub.Message) (wsutil.SendResult, error) { return wsutil.SendDropped, nil }
func (silent) Replay(context.Context, *hub.Message) error      { return nil }
func (silent) Buffered() int                                   { return 0 }
func (silent) Close(ws.StatusCode, string) error               { return nil }

// A member that does not fit into the answer keeps no other out.
func TestPresenceAnswerSkipsLargeMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(nil)
		for i := range 10 {
			m, err := h.Join(silent{}, nil)
			require.NoError(t, err)
			defer m.Leave()
			data := []byte(`"small"`)
			if i == 0 {
				data = []byte(`"` + strings.Repeat("x", 100<<10) + `"`)
			}
			_, err = m.Subscribe(background, "room", &hub.SubscribeOptions{Presence: data})
			require.NoError(t, err)
		}
		c := newNetwork(t, &hubproto.Server{Hub: h}).client(t)
		var got log
		require.NoError(t, c.Subscribe("room", nil, got.note))
		require.NoError(t, c.Ping(background))
		for range 10 { // the order of the members is random
			members, count, err := c.Presence(background, "room", -1)
			require.NoError(t, err)
			require.Equal(t, 10, count)
			require.Len(t, members, 9)
		}
	})
}

// asked is a request as scripted servers see it.
type asked struct {
	ID    uint64
	Do    string
	Topic string
	Since string
}

// scripted returns a network whose server sends what answer returns for a request.
func scripted(t *testing.T, answer func(r asked) []string) *network {
	var ended sync.WaitGroup
	n := &network{end: ended.Wait}
	n.serve = func(c net.Conn) error {
		conn, err := websocket.NewConn(c, nil, ws.Handshake{}, ws.StateServerSide, nil)
		if err != nil {
			return err
		}
		ended.Go(func() { serveScript(background, conn, answer) })
		return nil
	}
	t.Cleanup(n.close)
	return n
}

func serveScript(ctx context.Context, conn *websocket.Conn, answer func(r asked) []string) {
	defer conn.CloseNow()
	for m, err := range conn.Messages(ctx) {
		var r asked
		if err != nil || json.Unmarshal(m.Data, &r) != nil {
			return
		}
		for _, text := range answer(r) {
			if conn.Write(ctx, websocket.MessageText, []byte(text)) != nil {
				return
			}
		}
	}
}

// badServer returns a network whose server answers each request, and sends these texts
// after the answer to a subscription.
func badServer(t *testing.T, texts ...string) *network {
	return scripted(t, func(r asked) []string {
		send := []string{fmt.Sprintf(`{"re":%d,"at":"5-1"}`, r.ID)}
		if r.Do == "subscribe" {
			send = append(send, texts...)
		}
		return send
	})
}

// lossy answers the first subscription without the messages of some positions, as a
// server does whose queue has dropped them. The messages are 5-2 to 5-4.
func lossy(lost ...int) func(r asked) []string {
	subscriptions := 0
	return func(r asked) (send []string) {
		if r.Do != "subscribe" {
			return []string{fmt.Sprintf(`{"re":%d}`, r.ID)}
		}
		subscriptions++
		var since int
		fmt.Sscanf(r.Since, "5-%d", &since)
		for at := since + 1; at <= 4; at++ {
			if subscriptions > 1 || !slices.Contains(lost, at) {
				send = append(send, fmt.Sprintf(`{"topic":%q,"at":"5-%d","prev":"5-%d","data":%d,"replay":true}`, r.Topic, at, at-1, at))
			}
		}
		return append(send, fmt.Sprintf(`{"re":%d,"at":"5-4","prev":"5-4","recovered":true}`, r.ID))
	}
}

// lostReplays are cases of lossy.
var lostReplays = [][]int{nil, {2}, {3}, {4}, {2, 3}, {3, 4}, {2, 3, 4}}

// A client gets messages that were lost while they were replayed to it.
func TestClientNoticesLostReplays(t *testing.T) {
	for _, lost := range lostReplays {
		synctest.Test(t, func(t *testing.T) {
			var a log
			c := scripted(t, lossy(lost...)).client(t)
			since := hub.Position{Epoch: 5, Offset: 1}
			require.NoError(t, c.Subscribe("a", &hubproto.SubscribeOptions{Since: since}, a.note))
			require.NoError(t, c.Ping(background))
			synctest.Wait()
			require.Equal(t, []string{"a: 2", "a: 3", "a: 4", "a: live"}, a.take(), "lost: %v", lost)
		})
	}
}

// A client stops when the server sends what is no message of the protocol.
func TestClientStopsAtMalformedMessages(t *testing.T) {
	for _, text := range []string{
		``, `{`, `[]`, `1`, `"x"`, `{"re":"1"}`, `{"re":-1}`, `{"at":"x"}`, `{"at":"5"}`, `{"prev":1}`, `{"topic":1}`,
		`{"topic":"a","bytes":"!"}`, `{"topic":"a","text":1}`, `{"re":1,"count":"1"}`, `{"members":{}}`, `{} {}`,
		strings.Repeat(`[`, 20_000), `{"data":}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			c, stop, ended := badServer(t, text).run()
			defer stop()
			require.NoError(t, c.Subscribe("a", nil, func(hubproto.Event) {}))
			require.ErrorContains(t, <-ended, "malformed message from the server", text)
			require.ErrorContains(t, c.Ping(background), "the client has stopped", text)
		})
	}
}

// A client ignores what it has not asked for and what it does not know.
func TestClientIgnoresStrangeMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a log
		c := badServer(t,
			`{}`, `{"re":1}`, `{"re":99,"error":"x"}`, `{"re":99,"members":[{}]}`, `{"unknown":[1]}`,
			`{"topic":"b","data":1}`, `{"event":"gap","topic":"b"}`, `{"topic":"a","at":"5-1","data":"repeated"}`,
			`{"topic":"a","at":"5-2","data":"replay","replay":true}`, `{"topic":"a","event":"join"}`,
		).client(t)
		require.NoError(t, c.Subscribe("a", nil, a.note))
		require.NoError(t, c.Ping(background))
		synctest.Wait()
		require.Equal(t, []string{"a: live", "a: join "}, a.take())
	})
}

// Topics may be long and have odd names, if the limits allow that.
func TestOddTopics(t *testing.T) { onEach(t, testOddTopics) }

func testOddTopics(t *testing.T, newNetwork opener) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(&hub.Options{MaxTopic: 64 << 10, Broker: keep(10)})
		n := newNetwork(t, &hubproto.Server{Hub: h})
		n.conn.ReadLimit = 1 << 20
		n.conn.Queue.MaxBytes = 1 << 20
		c := n.client(t)
		for _, topic := range []string{
			strings.Repeat("x", 64<<10), strings.Repeat(".", 64<<10), strings.Repeat("\x00", 64<<10),
			" ", "\"", "\\", "a\r\nb", "\u2028", "€ и 😀", "..", "*a", "a.>.b", "<&>", "%s", "__proto__",
		} {
			var l log
			require.NoError(t, c.Subscribe(topic, nil, l.note))
			_, err := c.Publish(background, topic, 1, nil)
			require.NoError(t, err)
			synctest.Wait()
			require.Equal(t, []string{topic + ": live", topic + ": 1"}, l.take())
			c.Unsubscribe(topic)
		}
		for _, topic := range []string{"", strings.Repeat("x", 64<<10+1)} {
			var l log
			require.NoError(t, c.Subscribe(topic, nil, l.note))
			synctest.Wait()
			events := l.take()
			require.Len(t, events, 1)
			require.Contains(t, events[0], "refused: hubproto: topic: hub: invalid topic")
		}
	})
}
