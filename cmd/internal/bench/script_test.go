package bench

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Errors name the line and the step.
func TestScriptErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "the file is not YAML: EOF",
		"steps: [":                              "the file is not YAML: line 1: ",
		"- connect":                             "line 1: want a mapping with steps",
		"steps:\n":                              "line 1: want a list of steps",
		"step: [connect]":                       `line 1: unknown key "step": want steps`,
		"steps: [connect, shout]":               `line 1: unknown step "shout": use connect, send`,
		"steps:\n- connect\n- [a]":              "line 3: want a step: connect",
		"steps:\n- send: x":                     "line 2: send: the connection is not open: put connect before this step",
		"steps:\n- expect: x":                   "line 2: expect: the connection is not open",
		"steps:\n- close":                       "line 2: close: the connection is not open",
		"steps: [connect, connect]":             "line 1: connect: the connection is already open: put close before this step",
		"steps:\n- connect: ws://x":             "line 2: connect: takes no value",
		"steps:\n- connect\n- send":             "line 3: send: want a text",
		"steps:\n- connect\n- send: {a: 1}":     "line 3: send: want a text, in quotes if it begins with { or [",
		"steps:\n- connect\n- send: '{{nope}}'": `line 3: send: line 1: {{nope}}: unknown function "nope"`,
		"steps:\n- connect\n- expect: {regexp: '('}":        "line 3: expect: regexp: error parsing",
		"steps:\n- connect\n- expect: {regexp: a, text: b}": "line 3: expect: text and regexp: give one of them",
		"steps:\n- connect\n- expect: {with: a}":            `line 3: expect: unknown key "with": want text, regexp, within`,
		"steps:\n- connect\n- expect: {within: 0s}":         `line 3: expect: "0s" is not a positive duration`,
		"steps:\n- wait":                                           "line 2: wait: want a duration",
		"steps:\n- wait: 5":                                        `line 2: wait: "5" is not a positive duration such as 500ms or 2s`,
		"steps:\n- wait: {min: 1s}":                                "line 2: wait: want both min and max",
		"steps:\n- wait: {min: 2s, max: 1s}":                       "line 2: wait: max 1s is less than min 2s",
		"steps:\n- repeat: 0\n  steps: [wait: 1s]":                 `line 2: repeat: "0" is not a number from 1`,
		"steps:\n- repeat: 2":                                      "line 2: repeat: want a mapping with repeat, steps",
		"steps:\n- repeat: 2\n  step: []":                          `line 2: repeat: unknown key "step"`,
		"steps:\n- repeat: 2\n  steps: [connect]":                  "line 2: repeat: the steps cannot be repeated",
		"steps:\n- repeat: 2\n  steps:\n  - wait: 1s\n  - send: x": "line 5: send: the connection is not open",
		"steps:\n- connect\n- close: 1006":                         `line 3: close: "1006" is not a close code that may be sent`,
		"steps:\n- connect\n- close: bye":                          `line 3: close: "bye" is not a close code`,
		"steps: " + strings.Repeat("[{repeat: 2, steps: ", 20):     "the file is not YAML",
		"steps: " + strings.Repeat("[{repeat: 1, steps: ", 20) + "[wait: 1s]" + strings.Repeat("}]", 20): "repeat is nested more than 16 deep",
		"steps: &a [connect, *a]": "line 1: want a step: connect",
	} {
		_, err := parseScript([]byte(text), nil)
		require.ErrorContains(t, err, want, text)
	}
	name := filepath.Join(t.TempDir(), "x.yaml")
	_, err := readScript(name, nil)
	require.ErrorContains(t, err, "--script: stat ")
	require.NoError(t, os.WriteFile(name, []byte(strings.Repeat("#", maxScript+1)), 0o600))
	_, err = readScript(name, nil)
	require.ErrorContains(t, err, "the file is larger than 1048576 bytes")
	require.Equal(t, exit.Usage, exit.Status(err))
}

// playScript runs a script against a server, in a bubble, and returns the load.
func playScript(t *testing.T, c config, text string, serve func(net.Conn)) *load {
	t.Helper()
	steps, err := parseScript([]byte(text), c.mix.data)
	require.NoError(t, err)
	c.script, c.mix.op, c.pipeline, c.atOnce, c.dial = steps, ws.OpText, 1, 8, inMemory(serve)
	c.connections = max(c.connections, 1)
	if c.patience == 0 {
		c.patience = 5 * time.Second
	}
	l := newLoad(c)
	l.run(t.Context(), func(progress) {})
	synctest.Wait()
	require.Zero(t, l.open.Load(), "connections that are left open")
	return l
}

func TestScript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config{connections: 2, count: 6, mix: mix{data: &table{[]string{"name"}, [][]string{{"ann"}, {"bob"}}}}}
		began := time.Now()
		l := playScript(t, c, `
steps:
- connect
- wait: 1s
- repeat: 3
  steps:
  - send: '{{csv name}} {{seq}}'
  - expect: '{{csv name}} {{seq}}'
- close: 4001
- wait: {min: 1s, max: 1s}
- connect
- send: bye
- expect: {regexp: '^b.e$', within: 50ms}
`, slowEcho(30*time.Millisecond))
		require.Empty(t, l.errors)
		require.Equal(t, tally{sent: 24, received: 24, scripts: 6}, bytesAside(l.recorder.total))
		require.EqualValues(t, 12, l.opener.opened)
		require.InDelta(t, 30e6, float64(l.recorder.latency.Max()), 1e5)
		require.Equal(t, 3*(2*time.Second+4*30*time.Millisecond), time.Since(began).Round(time.Millisecond))
	})
}

func bytesAside(t tally) tally {
	t.bytesSent, t.bytesReceived = 0, 0
	return t
}

// What arrives before it is expected is kept, and what nobody expects is counted.
func TestScriptInbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := playScript(t, config{count: 1}, `
steps:
- connect
- send: go
- wait: 1s
- expect: "2"
- expect: "5"
`, func(conn net.Conn) {
			wsutil.ReadClientData(conn)
			for i := range 8 {
				wsutil.WriteServerText(conn, []byte{byte('0' + i)})
			}
			wsutil.ReadClientData(conn)
		})
		require.Empty(t, l.errors)
		require.Equal(t, tally{sent: 1, received: 2, unsolicited: 6, scripts: 1}, bytesAside(l.recorder.total))
		require.EqualValues(t, 1, l.recorder.latency.TotalCount(), "the latency is that of the first expect")
		require.Zero(t, l.recorder.latency.Max()/int64(time.Millisecond), "from when it arrived")
	})
}

// The inbox is bounded, whatever a server sends.
func TestScriptInboxIsBounded(t *testing.T) {
	l := newLoad(config{connections: 1, pipeline: 1, atOnce: 1})
	w := l.workers[0]
	for range 3 * maxInbox {
		w.keep(arrival{0, make([]byte, 10)})
	}
	require.Len(t, w.inbox, maxInbox)
	for range 9 {
		w.keep(arrival{0, make([]byte, maxInboxBytes/4)})
	}
	require.Len(t, w.inbox, 4)
	require.Equal(t, maxInboxBytes, w.inboxBytes)
	w.keep(arrival{0, make([]byte, 3*maxInboxBytes)})
	require.Len(t, w.inbox, 1, "the newest one is kept")
}

// A script that fails says where, and begins again.
func TestScriptFails(t *testing.T) {
	for name, test := range map[string]struct {
		script string
		serve  func(net.Conn)
		kind   string
		lost   int64
	}{
		"no answer": {
			"steps:\n- connect\n- send: x\n- expect: {text: y, within: 2s}", slowEcho(0),
			"line 4: expect: no matching message within 2s", 1,
		},
		"closed while it waits": {
			"steps:\n- connect\n- wait: 1m", func(conn net.Conn) {
				ws.WriteFrame(conn, ws.NewCloseFrame(ws.NewCloseFrameBody(4001, "")))
				wsutil.ReadClientData(conn)
			},
			"line 3: wait: closed with 4001", 0,
		},
		"cut": {
			"steps:\n- connect\n- send: x\n- expect: x", func(conn net.Conn) { wsutil.ReadClientData(conn) },
			"line 4: expect: connection lost", 1,
		},
		"protocol": {
			"steps:\n- connect\n- expect: x", func(conn net.Conn) { conn.Write([]byte{0x83, 0}); wsutil.ReadClientData(conn) },
			"line 3: expect: protocol error: reserved opcode", 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := playScript(t, config{count: 3}, test.script, test.serve)
				require.Equal(t, map[string]int64{test.kind: 3}, l.errors)
				require.Equal(t, 3*test.lost, l.missed)
				require.Zero(t, l.recorder.total.scripts)
			})
		})
	}
}

// The end of the load ends scripts at any step without an error, after the
// pending answer.
func TestScriptEnds(t *testing.T) {
	for name, script := range map[string]string{
		"in a wait":                "steps:\n- connect\n- wait: 1h",
		"in a wait while closed":   "steps:\n- wait: 1h",
		"in a wait within repeat":  "steps:\n- connect\n- repeat: 99\n  steps:\n  - wait: 1h",
		"in an expect that is met": "steps:\n- connect\n- send: x\n- expect: x\n- wait: 1h",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				l := playScript(t, config{connections: 3, duration: time.Second}, script, slowEcho(1500*time.Millisecond))
				require.Empty(t, l.errors)
				require.Equal(t, l.recorder.total.sent, l.recorder.total.received)
				require.Less(t, time.Since(began), 3*time.Second)
			})
		})
	}
}

// Pings are answered while a script waits.
func TestScriptAnswersPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pong := make(chan ws.OpCode, 1)
		l := playScript(t, config{count: 1}, "steps:\n- connect\n- wait: 1s", func(conn net.Conn) {
			ws.WriteFrame(conn, ws.NewPingFrame([]byte("x")))
			f, _ := ws.ReadFrame(conn)
			pong <- f.Header.OpCode
			wsutil.ReadClientData(conn)
		})
		require.Empty(t, l.errors)
		require.Equal(t, ws.OpPong, <-pong)
	})
}
