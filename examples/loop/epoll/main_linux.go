// Epoll is an echo server with its own event loop: one goroutine, epoll, and
// package loop for the protocol. Package wsloop is the complete form, with
// several loops, other systems and compression. From the folder of the
// examples:
//
//	go run ./loop/epoll
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"syscall"
	"time"

	"github.com/wskit/wskit/examples/loop"
)

type conn struct {
	loop.Conn
	fd      int
	writing bool // epoll waits until there is room to write
}

type server struct {
	epoll, listener int
	conns           map[int]*conn
	begin           time.Time
	buffer          [64 << 10]byte
}

func (s *server) now() time.Duration { return time.Since(s.begin) }

// run serves until ctx ends.
func run(ctx context.Context, ln net.Listener) error {
	file, err := ln.(*net.TCPListener).File() // a duplicate, without the runtime's poller
	if err != nil {
		return err
	}
	defer file.Close()
	ln.Close()
	s := &server{listener: int(file.Fd()), conns: make(map[int]*conn), begin: time.Now()}
	if s.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return err
	}
	defer syscall.Close(s.epoll)
	defer func() {
		for _, c := range s.conns {
			s.close(c)
		}
	}()
	if err := errors.Join(syscall.SetNonblock(s.listener, true), s.watch(syscall.EPOLL_CTL_ADD, s.listener, syscall.EPOLLIN)); err != nil {
		return err
	}
	events := make([]syscall.EpollEvent, 256)
	ticked := s.now()
	for ctx.Err() == nil {
		n, err := syscall.EpollWait(s.epoll, events, 100) // milliseconds
		if err != nil && err != syscall.EINTR {
			return err
		}
		for _, ev := range events[:max(n, 0)] {
			if c := s.conns[int(ev.Fd)]; c != nil {
				s.serve(c, ev.Events)
			} else if int(ev.Fd) == s.listener {
				s.accept()
			}
		}
		if now := s.now(); now-ticked >= time.Second {
			ticked = now
			for _, c := range s.conns {
				s.flush(c, c.Tick(now))
			}
		}
	}
	return nil
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8086", "`host:port` to listen on")
	flag.Parse()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("epoll: serving on ws://%v/\n", ln.Addr())
	log.Fatal(run(context.Background(), ln))
}
