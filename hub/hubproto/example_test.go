package hubproto_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/hubproto"
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
