//go:build unix

package echoserver

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// Child is the first argument of a process that is to call [Serve].
const Child = "serve"

// Serve is the server's process: it tells its address, and then answers each line
// of input with what the process holds and has used. It returns at the end of
// the input.
func Serve(name, pattern string, in io.Reader, out io.Writer) error {
	l, err := find(name)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go l.serve(ln, Pattern(pattern))
	fmt.Fprintln(out, ln.Addr())
	for lines := bufio.NewScanner(in); lines.Scan(); {
		u := usage(lines.Text() == "memory")
		fmt.Fprintln(out, u.Heap, u.Stack, u.CPU)
	}
	return nil
}

// Usage is what a process holds, in bytes, and the CPU time it has used, in nanoseconds.
type Usage struct{ Heap, Stack, CPU int64 }

func usage(memory bool) (u Usage) {
	if memory {
		for range 3 { // the second one empties the pools, the third one shrinks what is left
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		u.Heap, u.Stack = int64(m.HeapAlloc), int64(m.StackInuse)
	}
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	u.CPU = r.Utime.Nano() + r.Stime.Nano()
	return u
}

// Process is a server's process.
type Process struct {
	Addr string

	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// Start starts this program again, as the server of a library, with env added to its
// environment. If cpu is not negative, it runs on that one alone, where there is taskset.
func Start(library string, pattern Pattern, cpu int, env ...string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{self, Child, library, string(pattern)}
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
		return nil, fmt.Errorf("server of %s: %w", library, err)
	}
	return p, nil
}

// Memory returns what the server holds after a garbage collection, and CPU what it has used.
func (p *Process) Memory() (Usage, error) { return p.ask("memory") }

// CPU returns the CPU time alone, without a garbage collection.
func (p *Process) CPU() (Usage, error) { return p.ask("cpu") }

func (p *Process) ask(what string) (u Usage, err error) {
	if _, err = fmt.Fprintln(p.in, what); err == nil {
		_, err = fmt.Fscanln(p.out, &u.Heap, &u.Stack, &u.CPU)
	}
	return u, err
}

// Stop ends the server.
func (p *Process) Stop() {
	p.in.Close()
	p.cmd.Wait()
}
