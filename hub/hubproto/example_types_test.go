package hubproto_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/hubproto"
)

// A client is visible on a topic, and asks who else is.
func ExampleClient_Presence() {
	srv := httptest.NewServer(&hubproto.Server{Hub: hub.New(nil)})
	defer srv.Close()

	c := hubproto.NewClient(srv.URL, nil)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()

	joined := make(chan struct{}, 1)
	c.Subscribe("room.7", &hubproto.SubscribeOptions{Presence: json.RawMessage(`{"name":"ann"}`)}, func(e hubproto.Event) {
		if e.Kind == hubproto.Join {
			joined <- struct{}{}
		}
	})
	<-joined
	members, count, err := c.Presence(ctx, "room.7", 10)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(count, string(members[0].Data))
	stop()
	<-ended
	// Output: 1 {"name":"ann"}
}

// The hub decides what a client may do. A *hubproto.Error reaches the client.
func ExampleServer() {
	h := hub.New(&hub.Options{
		CanPublish: func(_ context.Context, m *hub.Member, topic string, _ *hub.Publication) error {
			if topic == "news" {
				return &hubproto.Error{Code: hubproto.CodeDenied, Text: "only editors publish news"}
			}
			return nil
		},
	})
	srv := httptest.NewServer(&hubproto.Server{Hub: h})
	defer srv.Close()

	c := hubproto.NewClient(srv.URL, nil)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()

	_, err := c.Publish(ctx, "news", "hello", nil)
	if refused, ok := errors.AsType[*hubproto.Error](err); ok {
		fmt.Println(refused.Code, "-", refused.Text)
	}
	_, err = c.Publish(ctx, "chat", "hello", nil)
	fmt.Println(err)
	stop()
	<-ended
	// Output:
	// denied - only editors publish news
	// <nil>
}
