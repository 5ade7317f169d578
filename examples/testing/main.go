// Testing shows how to test a handler with timeouts. The tests in main_test.go
// need neither time nor a port. The handler is a quiz: it asks questions, and
// closes the connection of a client that does not answer within ten seconds.
// From the folder of the examples:
//
//	go run ./testing
//	go test -v ./testing
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/wskit/wskit/websocket"
)

const (
	answerTime                          = 10 * time.Second
	closeTooLate   websocket.StatusCode = 4000
	closeDisagrees websocket.StatusCode = 4001
)

var questions = []struct{ question, answer string }{
	{"2+3?", "5"},
	{"7*6?", "42"},
}

// quiz asks all questions. Its argument is a connection instead of a request,
// so that a test can pass one end of a pair.
func quiz(ctx context.Context, c *websocket.Conn) error {
	for _, q := range questions {
		if err := c.Write(ctx, websocket.MessageText, []byte(q.question)); err != nil {
			return err
		}
		// If this context ends between two messages, the connection stays open.
		waiting, cancel := context.WithTimeout(ctx, answerTime)
		_, p, err := c.Read(waiting)
		cancel()
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return c.Close(closeTooLate, "too late")
		case err != nil:
			return err
		case string(p) != q.answer:
			return c.Close(closeDisagrees, "it is "+q.answer)
		}
	}
	return c.Close(websocket.StatusNormalClosure, "well done")
}

// run serves until ctx ends.
func run(ctx context.Context, ln net.Listener) error {
	var group websocket.Group
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Group: &group}})
			if err != nil {
				return // the client has the response
			}
			defer c.CloseNow()
			if err := quiz(r.Context(), c); err != nil {
				log.Print(err)
			}
		}),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(group.Shutdown(grace), server.Shutdown(grace))
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8090", "`host:port` to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("testing: serving on ws://%v/\n", ln.Addr())
	if err := run(ctx, ln); err != nil {
		log.Fatal(err)
	}
}
