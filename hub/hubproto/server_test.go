package hubproto_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/hubproto"
	"github.com/wskit/wskit/websocket"
)

func TestRequests(t *testing.T) { onEach(t, testRequests) }

func testRequests(t *testing.T, newNetwork opener) {
	h := hub.New(&hub.Options{Broker: keep(10)})
	n := newNetwork(t, &hubproto.Server{Hub: h})
	c := n.dial(t)
	c.send(`{"id":1,"do":"ping"}`)
	c.want(`{"re":1}`)
	c.send(`{"id":2,"do":"subscribe","topic":"none"}`)
	c.want(`{"re":2}`)
	c.send(`{"id":3,"do":"publish","topic":"none","data":{"a":[1,null]}}`)
	c.want(`{"topic":"none","data":{"a":[1,null]}}`)
	c.want(`{"re":3}`)
	c.send(`{"id":4,"do":"publish","topic":"none","data":null,"key":"k"}`)
	c.want(`{"topic":"none","data":null,"key":"k"}`)
	c.want(`{"re":4}`)
	_, err := h.Publish(background, "none", hub.Text("not \"JSON"))
	require.NoError(t, err)
	c.want(`{"topic":"none","text":"not \"JSON"}`)
	_, err = h.Publish(background, "none", hub.Binary([]byte{0, 255}))
	require.NoError(t, err)
	c.want(`{"topic":"none","bytes":"AP8="}`)
	c.send(`{"id":5,"do":"unsubscribe","topic":"none"}`)
	c.want(`{"re":5}`)
	publish(t, h, "none", "nobody is there")

	first := publish(t, h, "a", 1)
	second := publish(t, h, "a", 2)
	c.send(fmt.Sprintf(`{"id":6,"do":"subscribe","topic":"a","since":"%v"}`, first))
	c.want(fmt.Sprintf(`{"topic":"a","at":"%v","prev":"%v","data":2,"replay":true}`, second, first))
	c.want(fmt.Sprintf(`{"re":6,"at":"%v","prev":"%v","recovered":true}`, second, second))
	c.send(`{"id":7,"do":"subscribe","topic":"b","since":"1-1"}`)
	require.Contains(t, c.receive(), `"recovered":false`)
	c.send(`{"id":8,"do":"publish","topic":"a","data":3,"once":"x"}`)
	require.Contains(t, c.receive(), `"data":3`)
	answer := c.receive()
	require.Contains(t, answer, `"re":8,"at":`)
	c.send(`{"id":8,"do":"publish","topic":"a","data":3,"once":"x"}`)
	c.want(answer)
}

func TestPresenceRequests(t *testing.T) { onEach(t, testPresenceRequests) }

func testPresenceRequests(t *testing.T, newNetwork opener) {
	h := hub.New(nil)
	n := newNetwork(t, &hubproto.Server{Hub: h})
	ann, bob := n.dial(t), n.dial(t)
	ann.send(`{"id":1,"do":"presence","topic":"room"}`)
	require.Contains(t, ann.receive(), `"denied"`)
	ann.send(`{"id":2,"do":"subscribe","topic":"room","presence":{"name":"ann"}}`)
	ann.want(`{"re":2}`)
	require.Regexp(t, `^{"topic":"room","event":"join","data":{"name":"ann"},"member":"\w+"}$`, ann.receive())
	bob.send(`{"id":1,"do":"subscribe","topic":"room"}`)
	bob.want(`{"re":1}`)
	bob.send(`{"id":2,"do":"presence","topic":"room"}`)
	bob.want(`{"re":2,"count":1}`)
	bob.send(`{"id":3,"do":"presence","topic":"room","limit":-1}`)
	require.Regexp(t, `^{"re":3,"count":1,"members":\[{"id":"\w+","data":{"name":"ann"}}\]}$`, bob.receive())
	ann.conn.CloseNow()
	require.Regexp(t, `^{"topic":"room","event":"leave","data":{"name":"ann"},"member":"\w+"}$`, bob.receive())
}

// What a request asks for in vain is said by a code, and the connection goes on.
func TestRefusals(t *testing.T) { onEach(t, testRefusals) }

func testRefusals(t *testing.T, newNetwork opener) {
	h := hub.New(&hub.Options{
		CanSubscribe: func(_ context.Context, _ *hub.Member, topic string) error {
			switch topic {
			case "secret":
				return errors.New("a text that stays here")
			case "paid":
				return fmt.Errorf("no: %w", &hubproto.Error{Code: "payment", Text: "it costs something"})
			}
			return nil
		},
	})
	n := newNetwork(t, &hubproto.Server{Hub: h, MaxTopics: 2})
	c := n.dial(t)
	refused := func(request, code string) {
		t.Helper()
		c.send(request)
		require.Contains(t, c.receive(), `"error":"`+code+`"`)
	}
	refused(`{}`, "request")
	refused(`{"id":1,"do":"fly"}`, "request")
	refused(`{"id":1,"do":"publish","topic":"a"}`, "request")
	refused(`{"id":1,"do":"unsubscribe","topic":"a"}`, "request")
	refused(`{"id":1,"do":"subscribe"}`, "topic")
	refused(`{"id":1,"do":"publish","topic":"a.*","data":1}`, "topic")
	refused(`{"id":1,"do":"subscribe","topic":"`+strings.Repeat("x", 20<<10)+`"}`, "topic")
	refused(`{"id":1,"do":"subscribe","topic":"a.*","presence":1}`, "topic")
	refused(`{"id":1,"do":"presence","topic":"a"}`, "denied")
	c.send(`{"id":1,"do":"subscribe","topic":"secret"}`)
	c.want(`{"re":1,"error":"denied","text":"the server does not allow this"}`)
	c.send(`{"id":1,"do":"subscribe","topic":"paid"}`)
	c.want(`{"re":1,"error":"payment","text":"it costs something"}`)
	for _, topic := range []string{"a", "b"} {
		c.send(`{"id":1,"do":"subscribe","topic":"` + topic + `"}`)
		c.want(`{"re":1}`)
	}
	refused(`{"id":1,"do":"subscribe","topic":"c"}`, "limit")
	c.send(`{"id":1,"do":"unsubscribe","topic":"a"}`)
	c.want(`{"re":1}`)
	refused(`{"id":1,"do":"subscribe","topic":"b"}`, "subscribed")
}

// picky is a broker that does not support some topics.
type picky struct{ absent }

func (picky) Subscribe(_ context.Context, topic string) error {
	return fmt.Errorf("picky: %w: %s", hub.ErrTopic, topic)
}

// A topic that the broker refuses is not tried again.
func TestTopicOfBroker(t *testing.T) { onEach(t, testTopicOfBroker) }

func testTopicOfBroker(t *testing.T, newNetwork opener) {
	c := newNetwork(t, &hubproto.Server{Hub: hub.New(&hub.Options{Broker: picky{}})}).dial(t)
	c.send(`{"id":1,"do":"subscribe","topic":"a"}`)
	require.Contains(t, c.receive(), `"error":"topic"`)
}

// What is no request ends the connection, with the reason.
func TestMalformedRequests(t *testing.T) { onEach(t, testMalformedRequests) }

func testMalformedRequests(t *testing.T, newNetwork opener) {
	n := newNetwork(t, &hubproto.Server{Hub: hub.New(nil)})
	for _, text := range []string{
		``, `{`, `[]`, `1`, `"x"`, `{"id":-1}`, `{"id":"1"}`, `{"do":1}`, `{"id":1} {"id":2}`, `{"id":1}x`,
		`{"since":"x"}`, `{"limit":1.5}`, `{"id":18446744073709551616}`, strings.Repeat(`[`, 20000), `{"data":}`,
	} {
		c := n.dial(t)
		c.send(text)
		_, _, err := c.conn.Read(background)
		require.Equal(t, websocket.StatusPolicyViolation, websocket.CloseStatus(err), text)
		closed, _ := errors.AsType[websocket.CloseError](err)
		require.Contains(t, closed.Reason, "hubproto: malformed request: ", text)
	}
	c := n.dial(t)
	require.NoError(t, c.conn.Write(background, websocket.MessageBinary, []byte(`{"id":1,"do":"ping"}`)))
	_, _, err := c.conn.Read(background)
	require.Equal(t, websocket.StatusUnsupportedData, websocket.CloseStatus(err))
}

func TestDrainedServer(t *testing.T) { onEach(t, testDrainedServer) }

func testDrainedServer(t *testing.T, newNetwork opener) {
	h := hub.New(nil)
	n := newNetwork(t, &hubproto.Server{Hub: h})
	c := n.dial(t)
	c.send(`{"id":1,"do":"ping"}`)
	c.want(`{"re":1}`)
	drained := make(chan error)
	go func() { drained <- h.Drain(background, 0) }()
	_, _, err := c.conn.Read(background)
	require.Equal(t, websocket.StatusServiceRestart, websocket.CloseStatus(err))
	require.NoError(t, <-drained)
	c = n.dial(t)
	_, _, err = c.conn.Read(background)
	require.Equal(t, websocket.StatusServiceRestart, websocket.CloseStatus(err))
}

// ServeHTTP accepts, and a client that drops messages learns of it once its
// queue is empty.
func TestServeHTTP(t *testing.T) {
	h := hub.New(&hub.Options{Broker: keep(10_000)})
	s := &hubproto.Server{
		Hub:   h,
		Value: func(r *http.Request) any { return r.URL.Query().Get("user") },
		Options: &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{
			Queue: websocket.SendQueueOptions{MaxBytes: 32 << 10, Policy: websocket.SendDropNew},
			Hooks: &websocket.Hooks{},
		}},
	}
	srv := httptest.NewServer(s)
	defer srv.Close()
	conn, _, err := websocket.Dial(background, srv.URL, nil)
	require.NoError(t, err)
	defer conn.CloseNow()
	conn.SetReadLimit(1 << 20)
	c := &raw{t, conn}
	c.send(`{"id":1,"do":"subscribe","topic":"a"}`)
	require.Contains(t, c.receive(), `"re":1`)
	text := strings.Repeat("x", 16<<10)
	for i := 0; h.Stats().Dropped == 0; i++ {
		require.Less(t, i, 100_000)
		publish(t, h, "a", text)
	}
	for m := ""; !strings.Contains(m, `"event":"gap"`); {
		m = c.receive()
	}
	res, err := http.Get(srv.URL)
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusUpgradeRequired, res.StatusCode)
}

func TestScript(t *testing.T) {
	w := httptest.NewRecorder()
	hubproto.Script().ServeHTTP(w, httptest.NewRequest("GET", "/hub.js", nil))
	require.Equal(t, "text/javascript; charset=utf-8", w.Header().Get("Content-Type"))
	body, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), "export class Hub ")
}
