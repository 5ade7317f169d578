// Command http measures WebSocket echo over HTTP/1.1, HTTP/2 and HTTP/3, all
// with TLS, and compares it with an HTTP handler that echoes bytes without
// frames over the same transport. Both move the same number of bytes: a message
// of the other handler is as long as a frame of the server with its header. The
// command also measures the memory of an idle connection. Server and client
// share a process and its cores, so the results can only be compared with each
// other. The ratio is the median of the ratios of each round.
//
//	go run ./http -rounds 7 -time 1s -out ../docs/performance-http.md
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/bench/paired"
)

func main() {
	rounds := flag.Int("rounds", 9, "`number` of rounds")
	long := flag.Duration("time", 300*time.Millisecond, "`time` of each measurement")
	conns := flag.Int("conns", 8, "`number` of connections that echo at once")
	out := flag.String("out", "", "`file` to write the tables to, as Markdown")
	flag.Parse()
	var b bytes.Buffer
	err := run(io.MultiWriter(os.Stdout, &b), *rounds, *conns, *long)
	if err == nil && *out != "" {
		err = os.WriteFile(*out, b.Bytes(), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "http:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, rounds, conns int, long time.Duration) error {
	s, err := start()
	if err != nil {
		return err
	}
	defer s.close()
	fmt.Fprintf(w, "# WebSockets over HTTP/1.1, HTTP/2 and HTTP/3\n\n`make bench-http` of %s: %s, %s/%s, %d cores, the medians of %d rounds. Both handlers run in turn, and the ratio is the median of each round's.\n",
		time.Now().Format(time.DateOnly), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), rounds)
	if err := s.compare(w, rounds, conns, long); err != nil {
		return err
	}
	return s.share(w, rounds, long)
}

// compare writes the rate of each version, and that of the handler without
// WebSockets.
func (s *server) compare(w io.Writer, rounds, conns int, long time.Duration) error {
	fmt.Fprintf(w, "\n## Echo on %d connections or streams, messages a second\n\n| | message | WebSocket | bare | ratio |\n|---|---|---|---|---|\n", conns)
	for _, version := range []int{1, 2, 3} {
		c := s.dialing(version, 0)
		defer c.close()
		for _, size := range []int{64, 16 << 10} {
			var rates [2][]float64
			var ratios []float64
			for range rounds { // alternately, so that a slow moment affects both
				for i, open := range []func(int) (*echoer, error){c.websocket, c.bare} {
					rate, err := measure(func() (*echoer, error) { return open(size) }, conns, long)
					if err != nil {
						return fmt.Errorf("HTTP/%d: %w", version, err)
					}
					rates[i] = append(rates[i], rate)
				}
			}
			for i, bare := range rates[1] {
				ratios = append(ratios, rates[0][i]/bare)
			}
			fmt.Fprintf(w, "| HTTP/%d | %d | %.0f | %.0f | %.2f |\n", version, size, paired.Median(rates[0]), paired.Median(rates[1]), paired.Median(ratios))
		}
	}
	return nil
}

// share writes the cost of 100 WebSockets on one connection and on 100.
func (s *server) share(w io.Writer, rounds int, long time.Duration) error {
	const n = 100
	fmt.Fprintf(w, "\n## %d WebSockets: messages of 64 bytes a second, and KiB held by each that waits, with both ends\n\n| | connections | messages/s | KiB |\n|---|---|---|---|\n", n)
	for _, v := range []struct{ version, streams, conns int }{{1, 1, n}, {2, 1, n}, {2, n, 1}, {3, n, 1}} {
		c := s.dialing(v.version, v.streams)
		defer c.close()
		held, err := holds(c, n)
		if err != nil {
			return err
		}
		var rates []float64
		for range rounds {
			rate, err := measure(func() (*echoer, error) { return c.websocket(64) }, n, long)
			if err != nil {
				return err
			}
			rates = append(rates, rate)
		}
		fmt.Fprintf(w, "| HTTP/%d | %d | %.0f | %.1f |\n", v.version, v.conns, paired.Median(rates), float64(held)/1024)
	}
	return nil
}

// measure returns the messages per second that conns connections echo.
func measure(open func() (*echoer, error), conns int, long time.Duration) (rate float64, err error) {
	echoers := make([]*echoer, conns)
	for i := range echoers {
		if echoers[i], err = open(); err != nil {
			return 0, err
		}
		defer echoers[i].close()
		if err := echoers[i].exchange(); err != nil {
			return 0, err
		}
	}
	var all sync.WaitGroup
	var over atomic.Bool
	var count atomic.Int64
	errs := make(chan error, conns)
	began := time.Now()
	for _, e := range echoers {
		all.Go(func() {
			for !over.Load() {
				if err := e.exchange(); err != nil {
					errs <- err
					return
				}
				count.Add(1)
			}
		})
	}
	time.Sleep(long)
	over.Store(true)
	all.Wait()
	took := time.Since(began)
	select {
	case err = <-errs:
	default:
	}
	return float64(count.Load()) / took.Seconds(), err
}

// holds returns the bytes of heap and stacks of each of n idle WebSockets, for
// both ends.
func holds(c *clients, n int) (int64, error) {
	before := memory()
	for range n {
		e, err := c.websocket(64)
		if err != nil {
			return 0, err
		}
		defer e.close()
		if err := e.exchange(); err != nil {
			return 0, err
		}
	}
	return (memory() - before) / int64(n), nil
}

func memory() int64 {
	runtime.GC()
	runtime.GC() // empties pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
