package hubproto_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/hubproto"
	"github.com/wskit/wskit/websocket"
)

// node is a client in JavaScript, in a process of its own.
type node struct {
	t     *testing.T
	input io.Writer
	lines *bufio.Scanner
}

// startNode starts the client. Without Node the test is skipped, but not where
// CI is set.
func startNode(t *testing.T, url string) *node {
	path, err := exec.LookPath("node")
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("node is not installed")
	}
	require.NoError(t, err)
	args := []string{"testdata/client.mjs", url}
	if !hasWebSocket() {
		args = append([]string{"--experimental-websocket"}, args...)
	}
	ctx, kill := context.WithTimeout(background, 2*time.Minute)
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		kill()
		cmd.Wait()
	})
	return &node{t, input, bufio.NewScanner(output)}
}

// hasWebSocket reports whether the Node of PATH has WebSocket without a flag.
var hasWebSocket = sync.OnceValue(func() bool {
	out, err := exec.Command("node", "-p", "typeof WebSocket").Output()
	return err != nil || strings.TrimSpace(string(out)) != "undefined"
})

func (n *node) next() string {
	n.t.Helper()
	require.True(n.t, n.lines.Scan(), "the client has ended: %v", n.lines.Err())
	return n.lines.Text()
}

// want reads lines: those that begin with skip are left out.
func (n *node) want(lines ...string) {
	n.t.Helper()
	for _, line := range lines {
		got := n.next()
		for strings.HasPrefix(got, `["state"`) && !strings.HasPrefix(line, `["state"`) {
			got = n.next()
		}
		require.JSONEq(n.t, line, got)
	}
}

// do sends a command and reads lines up to its end.
func (n *node) do(command string, lines ...string) {
	n.t.Helper()
	_, err := fmt.Fprintln(n.input, command)
	require.NoError(n.t, err)
	n.want(lines...)
}

// The client in JavaScript subscribes, publishes, and resumes after its
// connection was lost.
func TestScriptInNode(t *testing.T) {
	h := hub.New(&hub.Options{Broker: keep(100), CanSubscribe: func(_ context.Context, _ *hub.Member, topic string) error {
		if topic == "secret" {
			return errors.New("no")
		}
		return nil
	}})
	var group websocket.Group
	s := &hubproto.Server{Hub: h, Options: &websocket.AcceptOptions{
		CompressionMode: websocket.CompressionContextTakeover,
		ConnOptions:     websocket.ConnOptions{Group: &group},
	}}
	srv := httptest.NewServer(s)
	defer srv.Close()
	n := startNode(t, "ws"+strings.TrimPrefix(srv.URL, "http"))
	n.want(`["state","connecting"]`)
	n.do(`["publish","a","early"]`, `["done","publish"]`)
	n.do(`["subscribe","a",{"presence":"me"}]`, `["done","subscribe"]`, `["a","live"]`, `["a","join","me"]`)
	n.do(`["subscribe","none"]`, `["done","subscribe"]`, `["none","live"]`)
	n.do(`["subscribe","a"]`, `["failed","subscribe","subscribed"]`)
	n.do(`["subscribe","secret"]`, `["done","subscribe"]`, `["secret","refused",true,"denied","the server does not allow this"]`)
	n.do(`["subscribe","*"]`, `["done","subscribe"]`, `["*","live"]`)
	n.do(`["publish","a",{"n":1}]`, `["a","a",{"n":1}]`, `["*","a",{"n":1}]`, `["done","publish"]`)
	n.do(`["publish","a.*",1]`, `["failed","publish","topic"]`)
	n.do(`["presence","a"]`, `["done","presence",["me"]]`)
	_, err := h.Publish(background, "b", hub.Binary([]byte{0, 255}))
	require.NoError(t, err)
	n.want(`["*","b",[0,255]]`)
	_, err = h.Publish(background, "b", hub.Text("no JSON"))
	require.NoError(t, err)
	n.want(`["*","b","no JSON"]`)
	n.do(`["unsubscribe","*"]`, `["done","unsubscribe"]`)
	n.do(`["ping"]`, `["done","ping"]`)

	for i := range 3 {
		for c := range group.Conns() {
			c.CloseNow()
		}
		publish(t, h, "a", i)
		publish(t, h, "none", i)
		seen := map[string]bool{}
		var messages []string
		for len(seen) < 2 || len(messages) < 1 {
			switch line := n.next(); {
			case line == `["a","live"]`, line == `["none","live"]`:
				seen[line] = true
			case strings.HasPrefix(line, `["a","a"`):
				messages = append(messages, line)
			}
		}
		require.Equal(t, []string{fmt.Sprintf(`["a","a",%d]`, i)}, messages)
	}
	drained := make(chan error, 1)
	go func() { drained <- h.Drain(background, 0) }()
	require.NoError(t, <-drained)
	n.do(`["close"]`)
	for n.next() != `["state","closed"]` {
	}
}

// The client in JavaScript stops when the server sends what is no message of the
// protocol.
func TestScriptStopsAtMalformedMessages(t *testing.T) {
	text := make(chan string, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.Write(r.Context(), websocket.MessageText, []byte(<-text))
		c.Read(r.Context())
	}))
	defer srv.Close()
	text <- "{"
	n := startNode(t, "ws"+strings.TrimPrefix(srv.URL, "http"))
	n.want(`["state","connecting"]`, `["state","open"]`, `["state","closed",1002]`)
	for _, bad := range []string{`[]`, `null`, `1`, `{"topic":"a","bytes":"!"}`} {
		text <- bad
		n.do(`["connect"]`, `["state","connecting"]`, `["done","connect"]`, `["state","open"]`, `["state","closed",1002]`)
	}
}

// The client in JavaScript gets messages that were lost while they were replayed to it.
func TestScriptNoticesLostReplays(t *testing.T) {
	answers := map[string]func(asked) []string{}
	for _, lost := range lostReplays {
		answers[fmt.Sprint(lost)] = lossy(lost...)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := websocket.Accept(w, r, nil); err == nil {
			serveScript(r.Context(), c, func(r asked) []string { return answers[r.Topic](r) })
		}
	}))
	defer srv.Close()
	n := startNode(t, "ws"+strings.TrimPrefix(srv.URL, "http"))
	n.want(`["state","connecting"]`, `["state","open"]`)
	for topic := range answers {
		say := func(line string) string { return fmt.Sprintf(`[%q,%s]`, topic, line) }
		message := func(i int) string { return say(fmt.Sprintf(`%q,%d`, topic, i)) }
		n.do(fmt.Sprintf(`["subscribe",%q,{"since":"5-1"}]`, topic),
			`["done","subscribe"]`, message(2), message(3), message(4), say(`"live"`))
	}
}
