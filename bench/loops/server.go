//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wskit/wskit/bench/echoserver"
)

// contender is a server: a library of package echoserver, or a program that is
// started with a port and "echo" or "broadcast" as its arguments.
type contender struct {
	name    string
	program string // empty for a library
}

// server is a running server on the first processor.
type server struct {
	addr string
	pid  int
	stop func()
	in   *echoserver.Process // of a library
}

// start starts a server. A program supports only two patterns.
func (c contender) start(pattern echoserver.Pattern, o echoserver.Options) (*server, error) {
	if c.program == "" {
		p, err := echoserver.Start(c.name, pattern, o, 0, "GOMAXPROCS=1")
		if err != nil {
			return nil, err
		}
		return &server{addr: p.Addr, pid: p.PID(), stop: p.Stop, in: p}, nil
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := ln.Addr().(*net.TCPAddr)
	ln.Close()
	what := "echo"
	if pattern == echoserver.Broadcast {
		what = "broadcast"
	}
	cmd := exec.Command(c.program, strconv.Itoa(addr.Port), what)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var cpus unix.CPUSet
	cpus.Set(0)
	unix.SchedSetaffinity(cmd.Process.Pid, &cpus)
	stop := func() { cmd.Process.Kill(); cmd.Wait() }
	return &server{addr: addr.String(), pid: cmd.Process.Pid, stop: stop}, nil
}

// pattern returns the pattern of an echo contender.
func (c contender) pattern() echoserver.Pattern {
	for _, l := range echoserver.Libraries {
		if l.Name == c.name && !l.Has(echoserver.Raw) {
			return echoserver.Handed
		}
	}
	return echoserver.Raw
}

// takes reports whether it supports these options. A program has no TLS.
func (c contender) takes(o echoserver.Options) bool {
	for _, l := range echoserver.Libraries {
		if l.Name == c.name {
			return l.Takes(o)
		}
	}
	return !o.TLS
}

// broadcasts reports whether it supports broadcasts.
func (c contender) broadcasts() bool {
	for _, l := range echoserver.Libraries {
		if l.Name == c.name {
			return l.Has(echoserver.Broadcast)
		}
	}
	return true
}

// cpu returns the CPU time of the threads of a process in nanoseconds.
func cpu(pid int) (total int64, err error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err == nil && len(threads) == 0 {
		err = fmt.Errorf("the server is gone, or this system has no /proc/PID/schedstat")
	}
	for _, name := range threads {
		p, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		first, _, _ := strings.Cut(string(p), " ")
		n, _ := strconv.ParseInt(first, 10, 64)
		total += n
	}
	return total, err
}

// rss returns the resident memory of a process in bytes.
func rss(pid int) (int64, error) {
	p, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	var size, resident int64
	_, err = fmt.Sscan(string(p), &size, &resident)
	return resident * int64(os.Getpagesize()), err
}
