package serve

import (
	"context"
	"net/http"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/hubproto"
	"github.com/wskit/wskit/websocket"
)

// startHub makes the hub of --hub.
func (s *server) startHub() error {
	o, err := s.hubOptions()
	if err != nil {
		return err
	}
	s.hub = hub.New(o)
	watch(s.metrics, "hub", nil, s.hub.Stats, hubGauges...)
	if s.onLoop {
		return s.startHubLoops()
	}
	return nil
}

// hubGauges are the counters of the hub.
var hubGauges = []gauge[hub.Stats]{
	{"members", "Clients of the hub.", func(st hub.Stats) float64 { return float64(st.Members) }},
	{"topics", "Topics that have subscriptions.", func(st hub.Stats) float64 { return float64(st.Topics) }},
	{"patterns", "Patterns that have subscriptions.", func(st hub.Stats) float64 { return float64(st.Patterns) }},
	{"subscriptions", "Subscriptions of all clients.", func(st hub.Stats) float64 { return float64(st.Subscriptions) }},
	{"published", "Messages that were published at this server.", func(st hub.Stats) float64 { return float64(st.Published) }},
	{"delivered", "Messages that were sent to clients or queued for them.", func(st hub.Stats) float64 { return float64(st.Delivered) }},
	{"dropped", "Messages that were dropped because the queue of a client was full.", func(st hub.Stats) float64 { return float64(st.Dropped) }},
	{"gaps", "Times that messages of a topic were lost for all of its clients.", func(st hub.Stats) float64 { return float64(st.Gaps) }},
	{"recovered", "Subscriptions that continued at their position without loss.", func(st hub.Stats) float64 { return float64(st.Recovered) }},
	{"not_recovered", "Subscriptions that asked for a position whose messages were gone.", func(st hub.Stats) float64 { return float64(st.NotRecovered) }},
}

// onlySubscribers keeps clients from filling the history of topics at random.
func onlySubscribers(_ context.Context, m *hub.Member, topic string, _ *hub.Publication) error {
	if !m.IsSubscribed(topic) {
		return &hubproto.Error{Code: hubproto.CodeDenied, Text: "only subscribers of the topic may publish"}
	}
	return nil
}

// runHub runs the hub, if there is one, until ctx ends.
func (s *server) runHub(ctx context.Context) {
	if s.hub == nil {
		return
	}
	if err := s.hub.Run(ctx); err != nil {
		s.log.Error("the hub has failed", "error", err)
	}
}

// drainHub closes the clients of the hub, if there is one, such that they come back.
func (s *server) drainHub(ctx context.Context) error {
	if s.hub == nil {
		return nil
	}
	return s.hub.Drain(ctx, 0)
}

// talkHub serves the protocol of the hub.
func (s *server) talkHub(ctx context.Context, conn *websocket.Conn, _ *http.Request) error {
	s.limit(conn, maxChatText)
	return (&hubproto.Server{Hub: s.hub}).Serve(ctx, conn, nil)
}
