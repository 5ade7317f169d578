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
	s.metrics.watchHub(s.hub)
	return nil
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
