package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// memory is the memory limit of an agent in bytes. The agent dies above it.
const memory = 3 << 30

// startTime limits the time until a server listens.
const startTime = 30 * time.Second

// lastWords is how long to wait for a crashing process to end.
const lastWords = 2 * time.Second

// process is a running agent.
type process struct {
	cmd    *exec.Cmd
	stdin  io.Closer // the agent ends when it is closed
	stdout *bufio.Reader
	stderr head
	ended  chan struct{} // closed when the process has ended
	err    error         // of the process, once it has ended
}

// start runs a command line with the memory limit, which a shell sets.
func start(ctx context.Context, argv []string) (*process, error) {
	limited := append([]string{"-c", `ulimit -d "$0" && exec "$@"`, strconv.Itoa(memory >> 10)}, argv...)
	p := &process{cmd: exec.CommandContext(ctx, "sh", limited...), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), "GOMEMLIMIT=1GiB")
	p.cmd.Stderr = &p.stderr
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, w := io.Pipe()
	p.stdin, p.stdout, p.cmd.Stdout = stdin, bufio.NewReader(stdout), w
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		w.CloseWithError(io.ErrUnexpectedEOF)
		close(p.ended)
	}()
	return p, nil
}

// port waits for a server to listen. Later output is dropped.
func (p *process) port() (string, error) {
	timer := time.AfterFunc(startTime, p.kill)
	defer timer.Stop()
	line, err := p.stdout.ReadString('\n')
	port, ok := strings.CutPrefix(strings.TrimSpace(line), "listening ")
	if err != nil || !ok {
		p.kill()
		<-p.ended
		return "", fmt.Errorf("the agent does not listen: %s", p.stderr.String())
	}
	go io.Copy(io.Discard, p.stdout)
	return port, nil
}

// wait waits for a client to end, and kills it after patience.
func (p *process) wait(patience time.Duration) error {
	go io.Copy(io.Discard, p.stdout)
	select {
	case <-p.ended:
		return p.fault()
	case <-time.After(patience):
		p.kill()
		<-p.ended
		return errors.New("the process did not end")
	}
}

// stop ends a server. It returns an error if the server had already ended, or
// ends by itself within lastWords, because a crash in the last case takes a
// moment.
func (p *process) stop() error {
	select {
	case <-p.ended:
		if p.err == nil {
			return errors.New("the process ended")
		}
		return p.fault()
	case <-time.After(lastWords):
	}
	p.kill()
	<-p.ended
	return nil
}

func (p *process) kill() { p.cmd.Process.Kill() }

// fault returns how the process ended, with its last output.
func (p *process) fault() error {
	if p.err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", p.err, p.stderr.String())
}

// head keeps the first bytes written to it, which contain the reason of a
// crash.
type head struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buf.Write(p[:min(len(p), max(0, 400-h.buf.Len()))])
	return len(p), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(strings.Fields(h.buf.String()), " ")
}
