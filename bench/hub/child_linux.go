package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// child is the first argument of a process that serves.
const child = "serve"

// payload returns 64 bytes of JSON with the time in it.
func payload(now time.Time) []byte {
	return fmt.Appendf(nil, `{"at":"%019d","text":"some words for them %06d"}`, now.UnixNano(), now.Nanosecond()%1_000_000)
}

// serve is the process of a library. It answers each line of in with one line:
//
//	ready                         how many clients are subscribed
//	publish TOPICS COUNT RATE     publishes COUNT times to each topic, RATE a second in all
//	more CONNS-TOPICS             subscribes each connection to more topics
//	usage                         CPU time in ns, and live heap after a collection
func serve(name string, compress bool, in io.Reader, out io.Writer) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := find(name).start(compress)
	if s.serve != nil {
		go s.serve(ln)
	} else {
		go http.Serve(ln, s.handler)
	}
	fmt.Fprintln(out, ln.Addr())
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var topics, count, rate int
		switch command, rest, _ := strings.Cut(lines.Text(), " "); command {
		case "ready":
			fmt.Fprintln(out, s.ready())
		case "publish":
			fmt.Sscan(rest, &topics, &count, &rate)
			fmt.Fprintln(out, publish(s, topics, count, rate))
		case "more":
			fmt.Sscan(rest, &topics)
			if s.more != nil {
				s.more(func(i int) (names []string) {
					for k := range topics {
						names = append(names, fmt.Sprint("more ", (i+k)%(10*topics)))
					}
					return names
				})
			}
			fmt.Fprintln(out, s.more != nil)
		case "usage":
			cpu, heap := usage()
			fmt.Fprintln(out, cpu, heap)
		}
	}
	return nil
}

// publish publishes count messages to each topic. It returns how many failed.
func publish(s *service, topics, count, rate int) (failed int) {
	began := time.Now()
	for i := range count * topics {
		if rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		}
		if s.publish(fmt.Sprint("t", i%topics), payload(time.Now())) != nil {
			failed++
		}
	}
	return failed
}

func usage() (cpu int64, heap uint64) {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return cpuTime(), m.HeapAlloc
}

func cpuTime() int64 {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return r.Utime.Nano() + r.Stime.Nano()
}

// process is the process of a library.
type process struct {
	addr string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
}

func start(name string, compress bool) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(self, child, name, fmt.Sprint(compress))}
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
	_, err = fmt.Fscanln(p.out, &p.addr)
	return p, err
}

// ask sends a command and scans the answer.
func (p *process) ask(command string, answer ...any) error {
	if _, err := fmt.Fprintln(p.in, command); err != nil {
		return err
	}
	_, err := fmt.Fscanln(p.out, answer...)
	return err
}

func (p *process) stop() {
	p.in.Close()
	p.cmd.Process.Kill()
	p.cmd.Wait()
}
