package hubproto_test

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/hubproto"
	"github.com/wskit/wskit/wsloop"
)

// A server of the protocol, and a client that follows a topic.
func Example() {
	srv := httptest.NewServer(&hubproto.Server{Hub: hub.New(nil)})
	defer srv.Close()

	c := hubproto.NewClient(srv.URL, nil)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()

	events := make(chan hubproto.Event, 10)
	c.Subscribe("news", nil, func(e hubproto.Event) { events <- e })
	<-events // Live
	c.Publish(ctx, "news", map[string]string{"text": "hello"}, nil)
	fmt.Println(string((<-events).Data))
	stop()
	<-ended
	// Output: {"text":"hello"}
}

// A server without a goroutine for each client.
func ExampleServer_LoopHandler() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s := &hubproto.Server{Hub: hub.New(nil)}
	loops, err := wsloop.New(nil, s.LoopHandler(ctx))
	if err != nil {
		fmt.Println(err)
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go loops.Serve(ln)

	c := hubproto.NewClient("ws://"+ln.Addr().String(), nil)
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	fmt.Println(c.Ping(ctx))
	stop()
	<-ended
	loops.Shutdown(context.Background())
	// Output: <nil>
}
