// Feed is a feed of which subscribers lose no events. The server numbers its
// events, and a subscriber that reconnects sends the number of the last one
// that it has received. Package reconnect dials again when the connection is
// lost. From the folder of the examples:
//
//	go run ./feed serve
//	go run ./feed watch ws://127.0.0.1:8096/feed
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"time"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/reconnect"
	"github.com/wskit/wskit/websocket/wsjson"
)

// event is what the server sends.
type event struct {
	Number int    `json:"number"`
	Text   string `json:"text"`
}

// subscription is the first message of a subscriber on each connection.
type subscription struct {
	After int `json:"after"` // number of the last received event, 0 for none
}

// watch calls show with each event once and in order, until ctx ends or the
// server refuses permanently. It writes to log when it waits for the server.
func watch(ctx context.Context, url string, log io.Writer, options reconnect.Options, show func(event)) error {
	last := 0 // OnConnect and the handler are not called concurrently
	options.OnConnect = func(ctx context.Context, c *websocket.Conn) error {
		return wsjson.Write(ctx, c, subscription{After: last})
	}
	options.OnRetry = func(_ context.Context, err error, pause time.Duration) error {
		fmt.Fprintf(log, "feed: %v; again in %v\n", err, pause.Round(time.Millisecond))
		return nil
	}
	options.DialOptions = &websocket.DialOptions{ConnOptions: websocket.ConnOptions{
		KeepAlive: 20 * time.Second, // detects a lost network
	}}
	return reconnect.New(url, &options).Run(ctx, func(ctx context.Context, c *websocket.Conn) error {
		for {
			var e event
			if err := wsjson.Read(ctx, c, &e); err != nil {
				return err // Run decides whether to dial again
			}
			if e.Number <= last {
				continue
			}
			last = e.Number
			show(e)
		}
	})
}

func serve(ctx context.Context, addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Printf("feed: serving on ws://%v/feed\n", ln.Addr())
	f := new(feed)
	go func() {
		for t := range time.Tick(time.Second) {
			f.publish(t.Format(time.TimeOnly))
		}
	}()
	return f.run(ctx, ln)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 1 && args[0] == "serve":
		err = serve(ctx, "127.0.0.1:8096")
	case len(args) == 2 && args[0] == "watch":
		err = watch(ctx, args[1], os.Stderr, reconnect.Options{}, func(e event) { fmt.Println(e.Number, e.Text) })
	default:
		log.Fatal("usage: feed serve | feed watch URL")
	}
	if err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}
