// Command echo serves an echo with the driver on ws://127.0.0.1:9001, until it
// is interrupted.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"time"

	"github.com/wskit/wskit/examples/driver"
	"github.com/wskit/wskit/wsutil"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9001", "`host:port` to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("serving on ws://%v", ln.Addr())
	options := driver.Options{
		Config:   wsutil.Config{MaxMessage: 1 << 20, KeepAlive: 30 * time.Second},
		Compress: true,
	}
	if err := driver.Serve(ctx, ln, options, driver.Echo); err != nil {
		log.Fatal(err)
	}
}
