package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket/wstest"
)

// The tests' program is also an agent: see argv.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		exit(child(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	for _, side := range []string{server, client} {
		t.Run(side, func(t *testing.T) {
			a, err := find(side, "wskit: wsutil.Protocol", 1<<20)
			require.NoError(t, err)
			r := &runner{agent: a, limit: 1 << 20, filter: "^length/", progress: io.Discard}
			got, err := r.run(context.Background())
			require.NoError(t, err)
			require.Equal(t, side, got.Direction)
			require.Equal(t, len(got.Results), got.Counts.Strict)
			require.NotZero(t, got.Counts.Strict)
		})
	}
}

// dying is a server that takes the handshake of so many connections and then drops them; its
// process ends with the next one.
func dying(t *testing.T, connections int) *agent {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not installed")
	}
	script := fmt.Sprintf(`import base64, hashlib, os, re, socket
s = socket.create_server(("127.0.0.1", 0))
print("listening", s.getsockname()[1], flush=True)
for i in range(%d):
    c, _ = s.accept()
    key = re.search(rb"Sec-WebSocket-Key: *(\S+)", c.recv(1 << 16), re.I).group(1)
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    c.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
c, _ = s.accept()
if c.recv(1 << 16): os._exit(3)
`, connections)
	return &agent{side: server, name: "dies", command: func() []string { return []string{"python3", "-c", script} }}
}

// An agent whose process does not survive: the cases that do not end it run in a process each. This
// one takes the handshake with which a run begins, and no other.
func TestRunWithoutCasesThatEndTheProcess(t *testing.T) {
	var log strings.Builder
	r := &runner{agent: dying(t, 1), limit: 1 << 20, filter: "^length/text/[01]$", progress: &log}
	got, err := r.run(context.Background())
	require.NoError(t, err)
	require.Empty(t, got.Results)
	require.Contains(t, log.String(), "left out: length/text/0 ends the process: exit status 3")
}

// What a process did not reach before its end, another one is asked.
func TestRunAfterTheEndOfAProcess(t *testing.T) {
	r := &runner{agent: dying(t, 2), limit: 1 << 20, filter: "^length/text/[012]$", progress: io.Discard}
	got, err := r.run(context.Background())
	require.NoError(t, err)
	require.Greater(t, len(got.Results), 2)
	require.Empty(t, missedIDs(got))
	require.Empty(t, idsOf(got, wstest.Strict, wstest.Skipped))
}

func TestAdopt(t *testing.T) {
	first := found("a", server, result("x", wstest.Failed), result("y", wstest.Failed))
	again := found("a", server, result("x", wstest.Strict), result("y", wstest.Failed))
	r := &runner{agent: &agent{}, progress: io.Discard}
	r.adopt(first, again)
	require.Equal(t, []string{"y"}, failedIDs(first))
	drop(first, "y")
	require.Empty(t, failedIDs(first))
	require.Len(t, first.Results, 1)
	first.Results[0].Detail = "the client broke down: panic: nil (x.go:1)"
	require.Equal(t, []string{"x"}, panickedIDs(first))
	require.Regexp(t, anyOf([]string{"a.b", "c"}), "a.b")
	require.NotRegexp(t, anyOf([]string{"a.b", "c"}), "axb")
	require.NotRegexp(t, anyOf([]string{"a.b", "c"}), "cc")
}
