package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/wskit/wskit/internal/child"
)

// childArg is the first argument of a process that serves.
const childArg = "serve"

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
	return child.Serve(ln.Addr(), in, out, s.answer)
}

// answer executes a command.
func (s *service) answer(line string) []any {
	var topics, count, rate int
	switch command, rest, _ := strings.Cut(line, " "); command {
	case "ready":
		return []any{s.ready()}
	case "publish":
		fmt.Sscan(rest, &topics, &count, &rate)
		return []any{publish(s, topics, count, rate)}
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
		return []any{s.more != nil}
	case "usage":
		cpu, heap := usage()
		return []any{cpu, heap}
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

func cpuTime() int64 { return child.CPU().Nanoseconds() }

func start(name string, compress bool) (*child.Process, error) {
	return child.Start(-1, []string{childArg, name, fmt.Sprint(compress)})
}
