//go:build unix

package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

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
		cmd := exec.Command(os.Args[0], "node", "--addr", addrs[i], "--listen", addrs[n+i], "--join", join, "--dir", t.TempDir())
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
// message has come to each client once and in order.
func TestKilledNode(t *testing.T) {
	nodes, urls := startNodes(t, 3)
	l := load{nodes: urls, clients: 9, publishers: 3, messages: 600}
	out := &killer{after: "200 of 600", kill: func() { require.NoError(t, nodes[2].Process.Kill()) }}
	require.NoError(t, l.run(t.Context(), out), out)
	require.True(t, out.killed)
	require.Contains(t, out.String(), "0 lost, 0 twice, 0 out of order, 0 gaps")
	t.Log(out)
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
