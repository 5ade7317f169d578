// Fiber is a server with fiber that has compression, a timeout for requests,
// and a WebSocket. Fiber does not use net/http: ws.Upgrader performs the
// handshake on the bytes of the request, and fasthttp hands over the
// connection.
//
//   - Compress is used after the route: it compresses responses. NewConn compresses
//     messages, if the handshake has negotiated it.
//   - Timeouts wrap single handlers: do not wrap this one. fasthttp's own timeouts
//     end when the connection is handed over.
//   - fiber's context is not valid after the handler returns: copy values that are needed
//     later.
//
// From the folder of the examples:
//
//	go run ./frameworks/fiber
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

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/compress"
	requesttimeout "github.com/gofiber/fiber/v3/middleware/timeout"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

func routes(group *websocket.Group, timeout time.Duration) *fiber.App {
	app := fiber.New(fiber.Config{ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute})
	app.Get("/ws", func(c fiber.Ctx) error { return upgrade(c, group) }) // before Compress
	app.Use(compress.New())
	app.Get("/page", func(c fiber.Ctx) error { return c.SendString(strings.Repeat("compressed ", 1000)) })
	app.Get("/slow", requesttimeout.New(func(c fiber.Ctx) error {
		<-c.Context().Done()
		return c.Context().Err()
	}, requesttimeout.Config{Timeout: timeout}))
	return app
}

// upgrade answers a handshake, and makes fasthttp call echo with the
// connection.
func upgrade(c fiber.Ctx, group *websocket.Group) error {
	compression := wsflate.Extension{Adaptive: true}
	var origin string
	u := ws.Upgrader{
		Negotiate: compression.Negotiate,
		OnHeader: func(name, value []byte) error {
			if string(name) == "Origin" {
				origin = string(value)
			}
			return nil
		},
		OnBeforeUpgrade: func() (ws.HandshakeHeader, error) {
			if origin != "" && !ws.SameOrigin(c.Host(), c.Secure(), origin) {
				return nil, ws.RejectConnectionError(ws.RejectionStatus(http.StatusForbidden), ws.RejectionReason("origin is not allowed"))
			}
			return nil, nil
		},
	}
	var request ws.Request
	head := append([]byte(nil), c.Request().Header.Header()...) // as fasthttp stores it
	_, err := ws.ParseRequest(head, &request)
	var agreed ws.Agreement
	if err == nil {
		agreed, err = u.Decide(&request)
	}
	if err != nil {
		answer := ws.AppendRefusal(nil, &request, err)
		c.RequestCtx().HijackSetNoResponse(true)
		c.RequestCtx().Hijack(func(conn net.Conn) { conn.Write(answer) }) // fasthttp then closes it
		return nil
	}
	answer := ws.AppendResponse(nil, agreed)
	c.RequestCtx().HijackSetNoResponse(true) // we send the response
	c.RequestCtx().Hijack(func(conn net.Conn) {
		if _, err := conn.Write(answer); err == nil {
			echo(conn, agreed.Handshake, group)
		}
	})
	return nil
}

func echo(conn net.Conn, hs ws.Handshake, group *websocket.Group) {
	c, err := websocket.NewConn(conn, nil, hs, ws.StateServerSide, &websocket.ConnOptions{Group: group, KeepAlive: 30 * time.Second})
	if err != nil {
		return
	}
	defer c.CloseNow()
	ctx := context.Background()
	for msg, err := range c.Messages(ctx) {
		if err != nil || c.Write(ctx, msg.Type, msg.Data) != nil {
			return
		}
	}
}

// run serves until ctx ends. timeout limits requests.
func run(ctx context.Context, ln net.Listener, timeout time.Duration) error {
	var group websocket.Group
	app := routes(&group, timeout)
	failed := make(chan error, 1)
	go func() { failed <- app.Listener(ln, fiber.ListenConfig{DisableStartupMessage: true}) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(group.Shutdown(grace), app.ShutdownWithContext(grace))
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8094", "`host:port` to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("fiber: serving on ws://%v/ws\n", ln.Addr())
	if err := run(ctx, ln, 5*time.Second); err != nil {
		log.Fatal(err)
	}
}
