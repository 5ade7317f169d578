// Gin is a server with gin that has compression, a timeout for requests, and a
// WebSocket.
//
//   - Gzip of gin-contrib may stay on: it ignores requests for an upgrade. It does not
//     compress messages; CompressionMode does.
//   - A timeout that buffers the response, such as http.TimeoutHandler, must be off for the
//     route: it cannot hand over the connection, and Accept answers 500.
//   - Do not write to the response before or after Accept.
//
// From the folder of the examples:
//
//	go run ./frameworks/gin
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

	"github.com/gin-contrib/gzip"
	"github.com/gin-gonic/gin"

	"github.com/wskit/wskit/websocket"
)

func routes(group *websocket.Group, timeout time.Duration) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.Use(gin.Recovery(), gzip.Gzip(gzip.DefaultCompression))
	router.GET("/page", func(c *gin.Context) { c.String(http.StatusOK, strings.Repeat("compressed ", 1000)) })
	slow := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	router.GET("/slow", gin.WrapH(http.TimeoutHandler(slow, timeout, "timed out")))
	router.GET("/ws", func(c *gin.Context) { // without the timeout
		echo(context.Background(), c.Writer, c.Request, group)
	})
	return router
}

// echo echoes every message. ctx is not the context of the request.
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
	addr := flag.String("addr", "127.0.0.1:8091", "`host:port` to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("gin: serving on ws://%v/ws\n", ln.Addr())
	if err := run(ctx, ln, 5*time.Second); err != nil {
		log.Fatal(err)
	}
}
