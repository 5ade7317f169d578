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

// Process is a command to bridge connections to. Its fields must not change
// while it runs.
type Process struct {
	Args    []string
	Binary  bool              // chunks of bytes, not lines of text
	MaxLine int64             // maximum length of a line of stdout in bytes; negative for no limit
	Grace   time.Duration     // time between the end of the connection and killing the process
	Log     func(line string) // called with each line of stderr
}

// Run starts the command for one connection, and returns when both have ended.
// A message becomes a line of stdin. A line of stdout becomes a text message,
// or a binary message if it is not valid UTF-8. With Binary, messages and
// stdout are bytes. An empty binary message closes stdin.
//
// When the command exits, the connection is closed with 1000 for exit status 0,
// and otherwise with 1011 and the status as the reason. When the connection
// ends, Run closes stdin, and after Grace it kills the process, with its
// children if the system supports that. Run returns how the connection ended.
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
	defer onEnd(conn, end)() // input may block on a command that does not read
	err := p.input(conn, r.stdin)
	end()
	<-r.over
	return err
}

// running is a command that runs for a connection.
type running struct {
	*Process
	conn           *websocket.Conn
	cmd            *exec.Cmd
	stdin          io.WriteCloser
	stdout, stderr io.ReadCloser
	exited         chan struct{} // closed when the command has ended
	over           chan struct{} // closed when the connection is closed after that
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

// wait forwards the output of the command, and closes the connection after the
// command has exited.
func (r *running) wait() {
	defer close(r.over)
	var outputs sync.WaitGroup
	outputs.Go(func() { r.logLines(r.stderr) })
	outputs.Go(func() {
		err := r.output(r.conn, r.stdout)
		r.stdout.Close() // so that the command does not wait for a reader
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

// end ends the command after the connection has ended.
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

// gone is the stdin of a command that may have exited or may no longer read. It
// drops write errors, because the end of the command is known from elsewhere.
type gone struct{ io.Writer }

func (g gone) Write(p []byte) (int, error) {
	g.Writer.Write(p)
	return len(p), nil
}

// output sends the output of the command until that or the connection ends. An
// error is a fault of the command.
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

// readLine reads a line of at most limit bytes, without its end. If it is in the
// buffer of r, it is valid until the next read.
func readLine(r *bufio.Reader, limit int64) ([]byte, error) {
	var long []byte
	for {
		part, err := r.ReadSlice('\n')
		if limit >= 0 && int64(len(long)+len(bytes.TrimRight(part, "\r\n"))) > limit {
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

// maxLogged is how many bytes of a line of stderr are logged.
const maxLogged = 4 << 10

func (p *Process) logLines(stderr io.Reader) {
	r := bufio.NewReaderSize(stderr, maxLogged)
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
