// Echo is a server with echo that has compression, a timeout for requests, and
// a WebSocket.
//
//   - Gzip may stay on: it supports hijacking. It does not compress messages;
//     CompressionMode does.
//   - ContextTimeout ends the context of the request, and with it a connection that reads
//     and writes with that. Skip it for the route, or use another context.
//   - A handler must return nil after Accept, because the response is complete.
//
// From the folder of the examples:
//
//	go run ./frameworks/echo
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
	"strings"
	"time"

	framework "github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	"github.com/wskit/wskit/websocket"
)

func routes(group *websocket.Group, timeout time.Duration) http.Handler {
	router := framework.New()
	router.Use(middleware.Gzip())
	router.Use(middleware.ContextTimeoutWithConfig(middleware.ContextTimeoutConfig{
		Timeout: timeout,
		Skipper: func(c *framework.Context) bool { return c.Path() == "/ws" },
	}))
	router.GET("/page", func(c *framework.Context) error {
		return c.String(http.StatusOK, strings.Repeat("compressed ", 1000))
	})
	router.GET("/slow", func(c *framework.Context) error {
		<-c.Request().Context().Done()
		return c.Request().Context().Err()
	})
	router.GET("/ws", func(c *framework.Context) error {
		echo(c.Request().Context(), c.Response(), c.Request(), group)
		return nil
	})
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
	addr := flag.String("addr", "127.0.0.1:8092", "`host:port` to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("echo: serving on ws://%v/ws\n", ln.Addr())
	if err := run(ctx, ln, 5*time.Second); err != nil {
		log.Fatal(err)
	}
}
