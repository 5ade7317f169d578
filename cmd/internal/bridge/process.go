package bridge

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/wskit/wskit/websocket"
)

// Process is a command to bridge connections to. Its fields must not change while it
// runs.
type Process struct {
	Args    []string
	Binary  bool              // chunks of bytes, not lines of text
	MaxLine int64             // the longest line of stdout in bytes, negative for any
	Grace   time.Duration     // between the end of the connection and killing the process
	Log     func(line string) // gets the lines of stderr
}

// Run starts the command for one connection, and returns when both have ended. A message
// is a line of stdin, and a line of stdout is a text message, or a binary one if it is
// not UTF-8. With Binary, messages and what comes from stdout are bytes as they are. An
// empty binary message ends stdin.
//
// When the command has ended, the connection is closed with 1000 for exit status 0, and
// with 1011 and the status as the reason otherwise. When the connection has ended, stdin
// ends, and after Grace the process is killed, with the processes that it has started
// where the system can do that. Run returns how the connection has ended.
func (p *Process) Run(conn *websocket.Conn) error {
	defer conn.CloseNow()
	r := &running{Process: p, conn: conn, cmd: exec.Command(p.Args[0], p.Args[1:]...),
		exited: make(chan struct{}), over: make(chan struct{})}
	if err := r.start(); err != nil {
		conn.Close(websocket.StatusInternalError, "the command cannot be started")
		return fmt.Errorf("starting %s: %w", p.Args[0], err)
	}
	go r.wait()
	end := sync.OnceFunc(r.end)
	defer onEnd(conn, end)() // input may wait for a command that does not read
	err := p.input(conn, r.stdin)
	end()
	<-r.over
	return err
}

// running is a command that was started for a connection.
type running struct {
	*Process
	conn           *websocket.Conn
	cmd            *exec.Cmd
	stdin          io.WriteCloser
	stdout, stderr io.ReadCloser
	exited         chan struct{} // closed when the command has ended
	over           chan struct{} // closed when the connection is closed for that
}

func (r *running) start() (err error) {
	group(r.cmd)
	if r.stdin, err = r.cmd.StdinPipe(); err != nil {
		return err
	}
	if r.stdout, err = r.cmd.StdoutPipe(); err != nil {
		return err
	}
	if r.stderr, err = r.cmd.StderrPipe(); err != nil {
		return err
	}
	return r.cmd.Start()
}

// wait passes on what the command writes, and closes the connection when it has ended.
func (r *running) wait() {
	defer close(r.over)
	var outputs sync.WaitGroup
	outputs.Go(func() { r.logLines(r.stderr) })
	outputs.Go(func() {
		err := r.output(r.conn, r.stdout)
		r.stdout.Close() // the command is not to wait for a reader
		if err != nil {
			r.conn.Close(websocket.StatusInternalError, err.Error()) // which ends the command
		}
	})
	outputs.Wait()
	err := r.cmd.Wait()
	close(r.exited)
	if err != nil {
		r.conn.Close(websocket.StatusInternalError, err.Error())
		return
	}
	r.conn.Close(websocket.StatusNormalClosure, "")
}

// end ends the command after the connection.
func (r *running) end() {
	r.stdin.Close()
	select {
	case <-r.exited:
		return
	case <-time.After(r.Grace):
	}
	kill(r.cmd)
	r.stdout.Close()
	r.stderr.Close()
}

// input writes messages to the command until the connection ends.
func (p *Process) input(conn *websocket.Conn, stdin io.WriteCloser) error {
	w := io.Writer(gone{stdin})
	for ended := false; ; {
		typ, r, err := conn.Reader(context.Background())
		if err != nil {
			return err
		}
		n, err := io.Copy(w, r)
		if err != nil {
			return err
		}
		switch {
		case ended:
		case n == 0 && typ == websocket.MessageBinary:
			ended, w = true, io.Discard
			stdin.Close()
		case !p.Binary:
			io.WriteString(w, "\n")
		}
	}
}

// gone is stdin of a command that may have ended, or does not read any more. How it ends
// is known from elsewhere.
type gone struct{ io.Writer }

func (g gone) Write(p []byte) (int, error) {
	g.Writer.Write(p)
	return len(p), nil
}

// output sends what the command writes, until that ends or the connection does. The error
// is the command's fault.
func (p *Process) output(conn *websocket.Conn, stdout io.Reader) error {
	if p.Binary {
		send(conn, stdout)
		return nil
	}
	r := bufio.NewReaderSize(stdout, chunk)
	for {
		line, err := readLine(r, p.MaxLine)
		if errors.Is(err, errLong) {
			return fmt.Errorf("a line of output is longer than %d bytes", p.MaxLine)
		}
		if err == nil || len(line) > 0 {
			typ := websocket.MessageText
			if !utf8.Valid(line) {
				typ = websocket.MessageBinary
			}
			if conn.Write(context.Background(), typ, line) != nil {
				return nil
			}
		}
		if err != nil {
			return nil
		}
	}
}

var errLong = errors.New("line is too long")

// readLine reads a line of at most so many bytes, without its end. It is valid until the
// next read if it lies in the buffer of r.
func readLine(r *bufio.Reader, most int64) ([]byte, error) {
	var long []byte
	for {
		part, err := r.ReadSlice('\n')
		if most >= 0 && int64(len(long)+len(bytes.TrimRight(part, "\r\n"))) > most {
			return nil, errLong
		}
		if long == nil && err == nil {
			return trimEnd(part), nil
		}
		long = append(long, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return trimEnd(long), err
		}
	}
}

func trimEnd(line []byte) []byte {
	if rest, ok := bytes.CutSuffix(line, []byte("\n")); ok {
		line = bytes.TrimSuffix(rest, []byte("\r"))
	}
	return line
}

// mostLogged is how much of a line of stderr is logged.
const mostLogged = 4 << 10

func (p *Process) logLines(stderr io.Reader) {
	r := bufio.NewReaderSize(stderr, mostLogged)
	for {
		line, more, err := r.ReadLine()
		if err != nil {
			return
		}
		p.Log(string(line))
		for more && err == nil {
			_, more, err = r.ReadLine()
		}
	}
}
