// Idle opens 20,000 idle connections, and prints the server's memory for each
// of them. The clients are a separate process. If the limit of descriptors is
// lower, it opens fewer connections. From the folder of the examples:
//
//	go run ./idle -n 20000
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/websocket"
)

// clientsOf is the environment variable with the address of the server. If it
// is set, the process runs the clients.
const clientsOf = "IDLE_CLIENTS_OF"

// spare is the number of descriptors for other purposes.
const spare = 64

// serve accepts connections until ctx ends. The handler returns immediately and
// starts a goroutine with its own context, so that net/http releases the memory
// of the handler.
func serve(ctx context.Context, ln net.Listener, open *atomic.Int64) error {
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			open.Add(1)
			go func() {
				defer c.CloseNow()
				c.Read(ctx) // until the client leaves
			}()
		}),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// clients opens n connections, and holds them until in ends.
func clients(ctx context.Context, addr string, n int, in io.Reader) error {
	for range n {
		c, _, err := websocket.Dial(ctx, "ws://"+addr, nil)
		if err != nil {
			return err
		}
		defer c.CloseNow()
	}
	_, err := io.Copy(io.Discard, in)
	return err
}

// memory returns the bytes of the heap and of all stacks.
func memory() (heap, stacks uint64) {
	debug.FreeOSMemory() // includes a garbage collection
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, m.StackInuse
}

// run measures n connections of clients in a process that start starts. The
// process ends with its standard input.
func run(ctx context.Context, out io.Writer, n int, start func(addr string, n int) *exec.Cmd) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	var open atomic.Int64
	go func() { served <- serve(ctx, ln, &open) }()
	defer func() { stop(); <-served }()

	heap, stacks := memory()
	cmd := start(ln.Addr().String(), n)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	left := make(chan error, 1)
	go func() { left <- cmd.Wait() }()
	for open.Load() < int64(n) {
		select {
		case err := <-left:
			return fmt.Errorf("clients: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	heapAfter, stacksAfter := memory()
	each := func(before, after uint64) float64 { return float64(int64(after)-int64(before)) / float64(n) }
	fmt.Fprintf(out, "connections  %d\n", n)
	fmt.Fprintf(out, "heap         %.0f bytes each\n", each(heap, heapAfter))
	fmt.Fprintf(out, "stacks       %.0f bytes each\n", each(stacks, stacksAfter))
	fmt.Fprintf(out, "together     %.1f MB, without what the kernel takes for sockets\n", float64(n)*(each(heap, heapAfter)+each(stacks, stacksAfter))/1e6)
	pipe.Close()
	return <-left
}

// again starts this program as the clients.
func again(addr string, n int) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-n", fmt.Sprint(n))
	cmd.Env = append(os.Environ(), clientsOf+"="+addr)
	return cmd
}

func main() {
	n := flag.Int("n", 20000, "open so many `connections`")
	flag.Parse()
	var err error
	if addr := os.Getenv(clientsOf); addr != "" {
		err = clients(context.Background(), addr, *n, os.Stdin)
	} else {
		err = run(context.Background(), os.Stdout, min(*n, mostFiles()-spare), again)
	}
	if err != nil {
		log.Fatal(err)
	}
}
