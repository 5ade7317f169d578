// Gnet is an echo server with the event loops of gnet, and package loop for the
// protocol. From the folder of the examples:
//
//	go run ./loop/gnet
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"sync"
	"time"

	"github.com/panjf2000/gnet/v2"

	"github.com/wskit/wskit/examples/loop"
)

// server has the callbacks of gnet. gnet calls those of one connection on one
// goroutine, except OnTick, which wakes that goroutine.
type server struct {
	gnet.BuiltinEventEngine
	engine gnet.Engine
	booted chan struct{}
	begin  time.Time
	conns  sync.Map // gnet.Conn to nothing
}

func (s *server) now() time.Duration { return time.Since(s.begin) }

func (s *server) OnBoot(engine gnet.Engine) gnet.Action {
	s.engine = engine
	close(s.booted)
	return gnet.None
}

func (s *server) OnOpen(conn gnet.Conn) ([]byte, gnet.Action) {
	c := &loop.Conn{Handle: loop.Echo}
	c.Open(s.now())
	conn.SetContext(c)
	s.conns.Store(conn, nil)
	return nil, gnet.None
}

func (s *server) OnClose(conn gnet.Conn, _ error) gnet.Action {
	s.conns.Delete(conn)
	conn.Context().(*loop.Conn).Close()
	return gnet.None
}

// OnTraffic is called when bytes have arrived, and after Wake.
func (s *server) OnTraffic(conn gnet.Conn) gnet.Action {
	c := conn.Context().(*loop.Conn)
	goesOn := c.Tick(s.now())
	if p, err := conn.Next(-1); goesOn && err == nil && len(p) > 0 { // p is valid until OnTraffic returns
		goesOn = c.Receive(s.now(), p)
	}
	if len(c.Out) > 0 {
		if _, err := conn.Write(c.Out); err != nil {
			return gnet.Close
		}
		c.Out = nil // gnet has sent or copied it
	}
	if !goesOn || conn.OutboundBuffered() > loop.MostOut {
		return gnet.Close // after sending as much as possible
	}
	return gnet.None
}

func (s *server) OnTick() (time.Duration, gnet.Action) {
	for conn := range s.conns.Range {
		conn.(gnet.Conn).Wake(nil)
	}
	return time.Second, gnet.None
}

// run serves until ctx ends. gnet listens itself; ln only provides the address.
func run(ctx context.Context, ln net.Listener) error {
	addr := ln.Addr().String()
	ln.Close()
	s := &server{booted: make(chan struct{}), begin: time.Now()}
	defer context.AfterFunc(ctx, func() {
		<-s.booted
		s.engine.Stop(context.Background())
	})()
	return gnet.Run(s, "tcp://"+addr, gnet.WithMulticore(true), gnet.WithTicker(true), gnet.WithReuseAddr(true))
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8087", "`host:port` to listen on")
	flag.Parse()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("gnet: serving on ws://%v/\n", ln.Addr())
	log.Fatal(run(context.Background(), ln))
}
