package serve

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/internal/h2peer"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsloop"
)

// /echo of --loop is that of the other server: sizes, compression, limits, counters and
// the end.
func TestLoop(t *testing.T) {
	o := &options{onLoop: true, compress: "takeover", maxMessage: 1 << 20, maxConnections: 1, subprotocols: []string{"chat"}}
	s, err := newServer(o, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	web := httptest.NewServer(s.handler())
	defer web.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	url := "ws" + strings.TrimPrefix(web.URL, "http") + "/echo"

	_, _, err = websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"http://evil.example"}}})
	require.ErrorContains(t, err, "403")

	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		Subprotocols: []string{"chat"}, CompressionMode: websocket.CompressionContextTakeover,
	})
	require.NoError(t, err)
	defer c.CloseNow()
	require.Equal(t, "chat", c.Subprotocol())
	c.SetReadLimit(-1)
	for _, n := range []int{0, 5, 100_000, 1 << 20} {
		require.NoError(t, c.Write(ctx, websocket.MessageText, []byte(strings.Repeat("x", n))))
		_, p, err := c.Read(ctx)
		require.NoError(t, err)
		require.Len(t, p, n)
	}
	_, _, err = websocket.Dial(ctx, url, nil)
	require.ErrorContains(t, err, "503")

	// A loop publishes its counters at the end of a turn.
	require.Eventually(t, func() bool {
		return strings.Contains(fetch(t, web.URL+"/metrics"), `wskit_loop_messages_in{endpoint="echo"} 4`+"\n")
	}, time.Minute, time.Millisecond)
	var vars struct{ Wsloop wsloop.Stats }
	require.NoError(t, json.Unmarshal([]byte(fetch(t, web.URL+"/debug/vars")), &vars))
	require.EqualValues(t, 4, vars.Wsloop.MessagesIn)

	closed := make(chan error, 1)
	go func() { _, _, err := c.Read(ctx); closed <- err }()
	require.NoError(t, s.echoLoops.Shutdown(ctx))
	require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(<-closed))
	require.Zero(t, s.open.Load())
}

// fetch returns what a server answers.
func fetch(t *testing.T, url string) string {
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	p, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(p)
}

// startLoops starts a server with /echo and /hub on loops. It returns the URL of both and a
// context with a limit.
func startLoops(t *testing.T, o *options) (*server, string, context.Context) {
	o.onLoop, o.withHub, o.compress, o.maxBacklog = true, true, "off", 1<<20
	s, err := newServer(o, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	web := httptest.NewServer(s.handler())
	t.Cleanup(web.Close)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return s, "ws" + strings.TrimPrefix(web.URL, "http"), ctx
}

// A client of /echo that reads nothing is closed when its queue is full. It is no member of
// the hub.
func TestLoopDeafEcho(t *testing.T) {
	s, url, ctx := startLoops(t, &options{maxMessage: 1 << 20})
	deaf, _, _, err := (&ws.Dialer{}).Dial(ctx, url+"/echo")
	require.NoError(t, err)
	defer deaf.Close()
	frame := ws.MaskFrame(ws.NewTextFrame([]byte(strings.Repeat("x", 1<<20))))
	for range 64 { // more than all buffers hold, unless the server closes first
		if ws.WriteFrame(deaf, frame) != nil {
			break
		}
	}
	deaf.Close()
	require.NoError(t, s.hubLoops.end(ctx))
	require.NoError(t, s.echoLoops.end(ctx))
	recorder := httptest.NewRecorder()
	s.metrics.handler().ServeHTTP(recorder, httptest.NewRequest("GET", "/metrics", nil))
	require.Contains(t, recorder.Body.String(), `wskit_loop_dropped{endpoint="echo"} 1`+"\n")
	require.NotContains(t, recorder.Body.String(), "wskit_slow_members_total{")
}

// /hub of --loop has the limits of a member: requests of 64 KiB, and a queue that does not
// grow with --max-message.
func TestLoopHub(t *testing.T) {
	s, url, ctx := startLoops(t, &options{maxMessage: -1, subprotocols: []string{"v1"}})
	url += "/hub"

	slow, _, _, err := (&ws.Dialer{Protocols: []string{"v1"}}).Dial(ctx, url)
	require.NoError(t, err)
	defer slow.Close()
	require.NoError(t, ws.WriteFrame(slow, ws.MaskFrame(ws.NewTextFrame([]byte(`{"id":1,"do":"subscribe","topic":"a"}`)))))
	c, _, err := websocket.Dial(ctx, url, nil)
	require.NoError(t, err)
	defer c.CloseNow()
	for st := s.hub.Stats(); st.Subscriptions == 0 || st.Members < 2; st = s.hub.Stats() {
		time.Sleep(time.Millisecond)
	}
	for s.hub.Stats().Members == 2 { // the slow one is closed
		_, err := s.hub.Publish(ctx, "a", hub.Text(`"`+strings.Repeat("x", 60_000)+`"`))
		require.NoError(t, err)
	}
	require.NoError(t, c.Write(ctx, websocket.MessageText, []byte(`{"id":1,"do":"ping","key":"`+strings.Repeat("x", maxChatText)+`"}`)))
	_, _, err = c.Read(ctx)
	require.Equal(t, websocket.StatusMessageTooBig, websocket.CloseStatus(err))
	slow.Close()
	require.NoError(t, s.hubLoops.end(ctx))
	require.NoError(t, s.echoLoops.end(ctx))
	recorder := httptest.NewRecorder()
	s.metrics.handler().ServeHTTP(recorder, httptest.NewRequest("GET", "/metrics", nil))
	require.Contains(t, recorder.Body.String(), `wskit_slow_members_total{endpoint="hub"} 1`)
	require.Contains(t, recorder.Body.String(), `wskit_closed_total{code="1009",endpoint="hub"} 1`)
	require.Zero(t, s.group.Len())
	require.Zero(t, s.open.Load())
}

// --origin and --any-origin hold on loops.
func TestLoopOrigins(t *testing.T) {
	for _, row := range []struct {
		o      options
		origin string
		want   string
	}{
		{options{}, "http://evil.example", "403"},
		{options{origins: []string{"*.example"}}, "http://good.example", ""},
		{options{origins: []string{"good.example"}}, "http://evil.example", "403"},
		{options{anyOrigin: true}, "http://evil.example", ""},
	} {
		o := row.o
		o.onLoop, o.compress = true, "off"
		s, err := newServer(&o, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		web := httptest.NewServer(s.handler())
		c, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(web.URL, "http")+"/echo",
			&websocket.DialOptions{HTTPHeader: http.Header{"Origin": {row.origin}}})
		if row.want == "" {
			require.NoError(t, err)
			c.CloseNow()
		} else {
			require.ErrorContains(t, err, row.want)
		}
		web.Close()
		s.echoLoops.Close()
		require.NoError(t, s.echoLoops.Shutdown(t.Context()))
	}
}

// Over HTTP/2 there is no connection to hand to a loop: /echo is served as without --loop.
func TestLoopHTTP2(t *testing.T) {
	o := &options{onLoop: true, compress: "off", http2: true, maxMessage: 1 << 20}
	s, err := newServer(o, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	web := s.web(nil)
	go web.Serve(ln)
	conn, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	client, err := h2peer.Open(conn)
	require.NoError(t, err)
	stream, _, err := client.Open200("/echo")
	require.NoError(t, err)
	c, err := websocket.NewConn(stream, nil, ws.Handshake{}, ws.StateClientSide, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	require.NoError(t, c.Write(ctx, websocket.MessageText, []byte("hello")))
	_, p, err := c.Read(ctx)
	require.NoError(t, err)
	require.Equal(t, "hello", string(p))
	require.Zero(t, s.echoLoops.Stats().Conns)
	c.CloseNow()
	o.shutdown = 10 * time.Second
	require.NoError(t, o.end(s, web, nil))
}
