// Package child runs a server in a process of its own for a benchmark: it starts
// the same program again, with other arguments.
package child

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
)

// Process is a server's process.
type Process struct {
	Addr string // of the server

	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// Start starts this program with args, and with env added to its environment.
// The program must call [Serve]. If cpu is not negative and taskset is
// installed, the process runs only on that CPU.
func Start(cpu int, args []string, env ...string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args = append([]string{self}, args...)
	if path, err := exec.LookPath("taskset"); err == nil && cpu >= 0 {
		args = append([]string{path, "-c", fmt.Sprint(cpu)}, args...)
	}
	p := &Process{cmd: exec.Command(args[0], args[1:]...)}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if _, err := fmt.Fscanln(p.out, &p.Addr); err != nil {
		p.Stop()
		return nil, fmt.Errorf("child: the process has not printed an address: %w", err)
	}
	return p, nil
}

// Ask sends a command, and scans the answer of the process.
func (p *Process) Ask(command string, answer ...any) error {
	if _, err := fmt.Fprintln(p.in, command); err != nil {
		return err
	}
	_, err := fmt.Fscanln(p.out, answer...)
	return err
}

// PID returns the ID of the server's process, even if taskset has started it.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop ends the process and waits for its end.
func (p *Process) Stop() {
	p.in.Close()
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// Serve is the other side of a [Process]. It prints the address of the server,
// and then the values that answer returns for each line of in. It returns at the
// end of in.
func Serve(addr net.Addr, in io.Reader, out io.Writer, answer func(command string) []any) error {
	if _, err := fmt.Fprintln(out, addr); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if _, err := fmt.Fprintln(out, answer(lines.Text())...); err != nil {
			return err
		}
	}
	return lines.Err()
}
