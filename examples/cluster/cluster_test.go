//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/hubproto"
	"github.com/wskit/wskit/internal/freeaddr"
)

// The test binary also runs as a node, in a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("CLUSTER_NODE") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// logs collects what a process prints.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startNodes starts processes that form a cluster, and returns them with their
// URLs.
func startNodes(t *testing.T, n int) (nodes []*exec.Cmd, urls []string) {
	t.Helper()
	addrs := freeaddr.Loopback(t, 2*n)
	join := strings.Join(addrs[n:], ",")
	for i := range n {
		cmd := exec.Command(os.Args[0], "node", "--addr", addrs[i], "--listen", addrs[n+i], "--join", join, "--dir", t.TempDir(), "--presence", "15s")
		cmd.Env = append(os.Environ(), "CLUSTER_NODE=1")
		log := new(logs)
		cmd.Stderr = log
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		t.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
			if t.Failed() {
				t.Logf("node %d:\n%s", i, log)
			}
		})
		line, err := bufio.NewReader(out).ReadString('\n')
		require.NoError(t, err, log.String())
		urls = append(urls, strings.TrimSpace(strings.TrimPrefix(line, "node at ")))
		nodes = append(nodes, cmd)
	}
	return nodes, urls
}

// A node is killed under load: its clients resume at the others, and each
// message has come to each client once and in order. Its members disappear from
// the lists of the others, which are told that they have left.
func TestKilledNode(t *testing.T) {
	nodes, urls := startNodes(t, 3)
	var visitors []*visitor
	for _, url := range urls {
		visitors = append(visitors, visit(t, url))
	}
	for _, v := range visitors {
		v.wait(urls, v.listed)
		v.wait(urls, v.told)
	}
	var killed time.Time
	l := load{nodes: urls, clients: 9, publishers: 3, messages: 600}
	out := &killer{after: "200 of 600", kill: func() {
		killed = time.Now()
		require.NoError(t, nodes[2].Process.Kill())
	}}
	require.NoError(t, l.run(t.Context(), out), out)
	require.True(t, out.killed)
	require.Contains(t, out.String(), "0 lost, 0 twice, 0 out of order, 0 gaps")
	t.Log(out)
	for _, v := range visitors[:2] {
		v.wait(urls[:2], v.listed)
		v.wait(urls[:2], v.told)
	}
	t.Logf("its member has left %v after it was killed", time.Since(killed))
}

// visitor is a client that is present on the topic of the load, with the URL of
// its node. It does not connect to another node.
type visitor struct {
	*hubproto.Client
	t *testing.T

	mu     sync.Mutex
	behind bool              // it may have missed joins and leaves
	here   map[string]string // URLs by member, according to joins and leaves
	left   map[string]bool   // members that have left during a list
}

func visit(t *testing.T, url string) *visitor {
	v := &visitor{Client: hubproto.NewClient(url, nil), t: t, behind: true, here: make(map[string]string), left: make(map[string]bool)}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- v.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	me, err := json.Marshal(url)
	require.NoError(t, err)
	require.NoError(t, v.Subscribe(topic, &hubproto.SubscribeOptions{Presence: me}, v.take))
	return v
}

// take handles an event of the subscription.
func (v *visitor) take(e hubproto.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch e.Kind {
	case hubproto.Live, hubproto.Gap: // after a reconnect
		v.behind = true
	case hubproto.Join:
		v.here[e.Member] = name(e.Data)
		delete(v.left, e.Member)
	case hubproto.Leave:
		delete(v.here, e.Member)
		v.left[e.Member] = true
	}
}

// name returns the data of a member.
func name(data json.RawMessage) (s string) {
	json.Unmarshal(data, &s)
	return s
}

// told returns the members that joins and leaves tell of. It begins with a list.
func (v *visitor) told() []string {
	v.mu.Lock()
	behind := v.behind
	if behind {
		v.behind, v.here, v.left = false, make(map[string]string), make(map[string]bool)
	}
	v.mu.Unlock()
	if behind {
		v.catchUp()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Collect(maps.Values(v.here))
}

// catchUp adds the members of a list.
func (v *visitor) catchUp() {
	members, err := v.list()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.behind = v.behind || err != nil
	for _, m := range members {
		if !v.left[m.ID] {
			v.here[m.ID] = name(m.Data)
		}
	}
}

// listed returns the members that the node lists.
func (v *visitor) listed() (names []string) {
	members, _ := v.list()
	for _, m := range members {
		names = append(names, name(m.Data))
	}
	return names
}

func (v *visitor) list() ([]hub.Presence, error) {
	ctx, cancel := context.WithTimeout(v.t.Context(), 20*time.Second)
	defer cancel()
	members, _, err := v.Presence(ctx, topic, 100)
	return members, err
}

// wait waits until exactly these are there.
func (v *visitor) wait(want []string, there func() []string) {
	v.t.Helper()
	want = slices.Sorted(slices.Values(want))
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		got := slices.Sorted(slices.Values(there()))
		if slices.Equal(got, want) {
			return
		}
		require.True(v.t, time.Now().Before(deadline), "%v are there, want %v", got, want)
	}
}

// killer calls kill once it has been told a line.
type killer struct {
	logs
	after  string
	kill   func()
	killed bool
}

func (k *killer) Write(p []byte) (int, error) {
	if strings.Contains(string(p), k.after) && !k.killed {
		k.killed = true
		k.kill()
	}
	return k.logs.Write(p)
}

func TestUsage(t *testing.T) {
	require.ErrorIs(t, run(t.Context(), nil, &logs{}), errUsage)
	require.ErrorIs(t, run(t.Context(), []string{"x"}, &logs{}), errUsage)
	require.ErrorContains(t, run(t.Context(), []string{"node", "--join", "x", "--listen", "127.0.0.1:0"}, &logs{}), "host:port")
}
