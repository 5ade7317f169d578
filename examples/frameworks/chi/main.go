// Chi is a server with chi that has compression, a timeout for requests, and a
// WebSocket.
//
//   - Compress may stay on: it supports hijacking. It does not compress messages;
//     CompressionMode does.
//   - Timeout ends the context of the request, and with it a connection that reads and
//     writes with that; and it writes a response afterwards. It belongs to a group of
//     routes without the WebSocket.
//
// From the folder of the examples:
//
//	go run ./frameworks/chi
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
	"os/signal"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/wskit/wskit/websocket"
)

func routes(group *websocket.Group, timeout time.Duration) http.Handler {
	router := chi.NewRouter()
	router.Use(middleware.Recoverer, middleware.Compress(5))
	router.Group(func(router chi.Router) {
		router.Use(middleware.Timeout(timeout))
		router.Get("/page", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			io.WriteString(w, strings.Repeat("compressed ", 1000))
		})
		router.Get("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	})
	router.Get("/ws", func(w http.ResponseWriter, r *http.Request) { echo(r.Context(), w, r, group) })
	return router
}

// echo echoes every message.
func echo(ctx context.Context, w http.ResponseWriter, r *http.Request, group *websocket.Group) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		CompressionMode: websocket.CompressionContextTakeover, // of messages, by RFC 7692
		ConnOptions:     websocket.ConnOptions{Group: group, KeepAlive: 30 * time.Second},
	})
	if err != nil {
		return // the client has the response
	}
	defer c.CloseNow()
	for msg, err := range c.Messages(ctx) {
		if err != nil || c.Write(ctx, msg.Type, msg.Data) != nil {
			return
		}
	}
}

// run serves until ctx ends. timeout limits requests.
func run(ctx context.Context, ln net.Listener, timeout time.Duration) error {
	var group websocket.Group
	server := &http.Server{
		Handler:           routes(&group, timeout),
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
	addr := flag.String("addr", "127.0.0.1:8093", "`host:port` to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("chi: serving on ws://%v/ws\n", ln.Addr())
	if err := run(ctx, ln, 5*time.Second); err != nil {
		log.Fatal(err)
	}
}
