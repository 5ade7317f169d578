package hub_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// A hub counts what it delivers.
func ExampleHub_Stats() {
	h := hub.New(nil)
	for _, name := range []string{"ann", "bob"} {
		m, err := h.Join(newFake(), name) // stands for hub.Conn of a connection
		if err != nil {
			fmt.Println(err)
			return
		}
		defer m.Leave()
		m.Subscribe(context.Background(), "news", nil)
	}
	h.Publish(context.Background(), "news", hub.Text("hello"))

	s := h.Stats()
	fmt.Println(s.Members, "members,", s.Topics, "topic,", s.Published, "published,", s.Delivered, "delivered")
	fmt.Println(h.TopicStats("news").Subscribers, "subscribers")
	// Output:
	// 2 members, 1 topic, 1 published, 2 delivered
	// 2 subscribers
}

// A chat keeps its last 100 messages, and everything else keeps none.
func ExampleNewMemory() {
	broker := hub.NewMemory(func(topic string) hub.History {
		if topic == "chat" {
			return hub.History{Messages: 100}
		}
		return hub.History{}
	})
	h := hub.New(&hub.Options{Broker: broker})
	ctx := context.Background()
	chat, _ := h.Publish(ctx, "chat", hub.Text("hello"))
	prices, _ := h.Publish(ctx, "prices", hub.Text("1.07"))
	fmt.Println("chat has positions:", !chat.IsZero())
	fmt.Println("prices has positions:", !prices.IsZero())
	// Output:
	// chat has positions: true
	// prices has positions: false
}

// A position travels as text.
func ExamplePosition() {
	at := hub.Position{Epoch: 0x5f3c, Offset: 17}
	p, err := json.Marshal(at)
	fmt.Println(string(p), err)
	var back hub.Position
	err = json.Unmarshal(p, &back)
	fmt.Println(back == at, err)
	// Output:
	// "5f3c-17" <nil>
	// true <nil>
}

// logger is a receiver that is no connection.
type logger struct{}

func (logger) Deliver(m *hub.Message) (wsutil.SendResult, error) {
	fmt.Printf("%s: %s\n", m.Topic, m.Payload)
	return wsutil.SendQueued, nil
}

func (l logger) Replay(_ context.Context, m *hub.Message) error {
	_, err := l.Deliver(m)
	return err
}

func (logger) Buffered() int                     { return 0 }
func (logger) Close(ws.StatusCode, string) error { return nil }

// A member need not be a connection.
func ExampleReceiver() {
	h := hub.New(nil)
	m, err := h.Join(logger{}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Leave()
	m.Subscribe(context.Background(), "errors.>", nil)
	h.Publish(context.Background(), "errors.db.timeout", hub.Text("query took 31 s"))
	// Output: errors.db.timeout: query took 31 s
}
