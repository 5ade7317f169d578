package main

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// served is a wskit serve of a script.
type served struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

type servedKey struct{}

// serveCommand starts wskit serve on a free port: serve [flags]. Its URLs are at $SERVE_PAGE,
// $SERVE_ECHO and so on.
func serveCommand(ts *testscript.TestScript, _ bool, args []string) {
	s := &served{cmd: exec.Command("wskit", append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...)}
	s.cmd.Dir = ts.Getenv("WORK")
	s.cmd.Stderr = &s.stderr
	stdout, err := s.cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(s.cmd.Start())
	ts.Defer(func() { s.cmd.Process.Kill(); s.cmd.Wait() })
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		ts.Setenv("SERVE_"+strings.ToUpper(fields[0]), fields[1])
		if fields[0] == "metrics" {
			break
		}
	}
	ts.Value(servedKey{}).(map[string]*served)["it"] = s
}

// interrupt sends Ctrl-C to the server, waits for its end and checks its status:
// interrupt N. Its log is then in the file serve.log.
func interrupt(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value(servedKey{}).(map[string]*served)["it"]
	ts.Check(s.cmd.Process.Signal(os.Interrupt))
	s.cmd.Wait()
	ts.Check(os.WriteFile(ts.MkAbs("serve.log"), s.stderr.Bytes(), 0o666))
	if got := strconv.Itoa(s.cmd.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("exit status %s, want %s: %s", got, args[0], &s.stderr)
	}
}

// endless interrupts a wskit that reads from an input without end, and checks that this
// ends it: endless [args].
func endless(ts *testscript.TestScript, _ bool, args []string) {
	stdin, feed, err := os.Pipe()
	ts.Check(err)
	defer feed.Close()
	cmd := exec.Command("wskit", args...)
	cmd.Stdin = stdin
	ts.Check(cmd.Start())
	stdin.Close()
	watchdog := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	defer watchdog.Stop()
	_, err = feed.Write(make([]byte, 1<<20)) // more than a pipe holds: returns when it is read
	ts.Check(err)
	ts.Check(cmd.Process.Signal(os.Interrupt))
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 130 {
		ts.Fatalf("exit status %d, want 130", got)
	}
}

// deaf opens a connection that reads nothing until the end of the script: deaf URL.
func deaf(ts *testscript.TestScript, _ bool, args []string) {
	conn, _, _, err := ws.Dial(context.Background(), args[0])
	ts.Check(err)
	ts.Defer(func() { conn.Close() })
}

// flood sends texts, each when the one before has come back, until what another
// URL yields matches: flood URL METRICS REGEXP.
func flood(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	conn, _, err := websocket.Dial(ctx, args[0], &websocket.DialOptions{ConnOptions: websocket.ConnOptions{ReadLimit: -1}})
	ts.Check(err)
	defer conn.CloseNow()
	want := regexp.MustCompile("(?m)" + args[2])
	text := bytes.Repeat([]byte("x"), 60_000)
	for !want.Match(fetch(ts, args[1])) {
		ts.Check(conn.Write(ctx, websocket.MessageText, text))
		for back := 0; back < len(text); { // and not, say, who has joined
			_, p, err := conn.Read(ctx)
			ts.Check(err)
			back = len(p)
		}
	}
}
