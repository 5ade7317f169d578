package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// listening is what a program writes to stderr, until and after it says where it listens.
type listening struct {
	all *bytes.Buffer

	mu    sync.Mutex
	found chan string // nil once it has said so
}

var listeningAt = regexp.MustCompile(`listening at (\S+)`)

func (l *listening) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all.Write(p)
	if m := listeningAt.FindSubmatch(l.all.Bytes()); m != nil && l.found != nil {
		l.found <- string(m[1])
		l.found = nil
	}
	return len(p), nil
}

// listener starts a wskit that listens on a free port, with the address at $AT:
// listener FLAG args..., where FLAG is the one for the address. What it prints is in the
// file listener.out; interrupt ends it.
func listener(ts *testscript.TestScript, _ bool, args []string) {
	s := &served{cmd: exec.Command("wskit", append([]string{args[1], args[0], "127.0.0.1:0"}, args[2:]...)...)}
	out, err := os.Create(ts.MkAbs("listener.out"))
	ts.Check(err)
	defer out.Close()
	found := make(chan string, 1)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = ts.Getenv("WORK"), out, &listening{all: &s.stderr, found: found}
	ts.Check(s.cmd.Start())
	ts.Defer(func() { s.cmd.Process.Kill(); s.cmd.Wait() })
	select {
	case at := <-found:
		ts.Setenv("AT", at)
	case <-time.After(20 * time.Second):
		s.cmd.Process.Kill()
		s.cmd.Wait()
		ts.Fatalf("it does not listen: %s", &s.stderr)
	}
	ts.Value(servedKey{}).(map[string]*served)["it"] = s
}

// halfClose sends a text over TCP, ends that direction, and prints what comes back:
// halfclose ADDRESS TEXT.
func halfClose(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := net.Dial("tcp", args[0])
	ts.Check(err)
	defer conn.Close()
	io.WriteString(conn, args[1])
	conn.(*net.TCPConn).CloseWrite()
	io.Copy(ts.Stdout(), conn)
}
