package natsbroker_test

import (
	"context"
	"fmt"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/natsbroker"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Each copy of a program runs a server, and they join each other. What is
// published on the hub of one arrives on those of all. Connections are members:
// see [hub.Conn].
func Example() {
	server, err := natsbroker.StartServer(natsbroker.ServerOptions{
		Listen: "127.0.0.1:0",
		Join:   nil, // "a:6222", "b:6222", "c:6222"
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Shutdown()
	broker, err := natsbroker.New(natsbroker.Options{Server: server})
	if err != nil {
		fmt.Println(err)
		return
	}
	h := hub.New(&hub.Options{Broker: broker})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error)
	go func() { ended <- h.Run(ctx) }()

	p := make(printer)
	member, err := h.Join(p, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := member.Subscribe(ctx, "prices.*", nil); err != nil {
		fmt.Println(err)
	}
	h.Publish(ctx, "prices.eur", hub.Text("1.07"))
	fmt.Println(<-p)
	cancel()
	<-ended
	// Output: prices.eur 1.07
}

// printer is a member in this process.
type printer chan string

func (p printer) Deliver(m *hub.Message) (wsutil.SendResult, error) {
	go func() { p <- fmt.Sprintf("%s %s", m.Topic, m.Payload) }()
	return wsutil.SendQueued, nil
}

func (p printer) Replay(_ context.Context, m *hub.Message) error {
	_, err := p.Deliver(m)
	return err
}

func (printer) Buffered() int                     { return 0 }
func (printer) Close(ws.StatusCode, string) error { return nil }
