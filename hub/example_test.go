package hub_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/websocket"
)

// A server makes each connection a member. Its topics are those of the request.
func Example() {
	h := hub.New(nil)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		m, err := h.Join(hub.Conn(c, nil), nil)
		if err != nil {
			return
		}
		defer m.Leave()
		if _, err := m.Subscribe(r.Context(), r.FormValue("topic"), nil); err != nil {
			return
		}
		c.Write(r.Context(), websocket.MessageText, []byte("subscribed"))
		<-c.CloseRead(context.WithoutCancel(r.Context())).Done()
	}))
	defer srv.Close()

	ctx := context.Background()
	client, _, err := websocket.Dial(ctx, srv.URL+"?topic=prices.*", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseNow()
	client.Read(ctx) // subscribed
	h.Publish(ctx, "prices.eur", hub.Text("1.07"))
	h.Publish(ctx, "weather", hub.Text("rain"))
	h.Publish(ctx, "prices.usd", hub.Text("0.93"))
	for range 2 {
		_, p, _ := client.Read(ctx)
		fmt.Println(string(p))
	}
	// Output:
	// 1.07
	// 0.93
}

// A member that comes back names the position of the last message that it has.
func ExampleMember_Subscribe() {
	h := hub.New(&hub.Options{Broker: hub.NewMemory(func(string) hub.History {
		return hub.History{Messages: 100, Age: time.Hour}
	})})
	ctx := context.Background()
	seen, _ := h.Publish(ctx, "news", hub.Text("one"))
	h.Publish(ctx, "news", hub.Text("two"))
	h.Publish(ctx, "news", hub.Text("three"))

	receiver := newFake() // stands for hub.Conn of a connection
	m, err := h.Join(receiver, "ann")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Leave()
	result, err := m.Subscribe(ctx, "news", &hub.SubscribeOptions{Since: seen})
	fmt.Println(result.Recovered, err)
	h.Publish(ctx, "news", hub.Text("four"))
	fmt.Println(receiver.take())
	// Output:
	// true <nil>
	// [news: two news: three news: four]
}
