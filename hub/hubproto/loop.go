package hubproto

import (
	"context"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsloop"
	"github.com/wskit/wskit/wsutil"
)

// LoopHandler returns a handler that serves the protocol on connections of
// package wsloop. One handler may serve any number of connections. Requests run
// on goroutines, one at a time for each connection, so that hooks and the
// broker may block. They use ctx. [hub.Member.Value] returns the Value of
// [wsloop.Options]; the handler replaces [wsloop.Conn.Value] for its own use.
//
// The policy of Queue in [wsloop.Config] applies to slow clients. LoopHandler
// ignores the fields Options and Value of s.
func (s *Server) LoopHandler(ctx context.Context) *wsloop.Handler {
	return &wsloop.Handler{
		Open: s.open,
		Message: func(c *wsloop.Conn, op ws.OpCode, p []byte) {
			session := wsloop.ValueOf[*session](c)
			if session == nil {
				return
			}
			if r, err := session.receive(op == ws.OpText, p); err == nil {
				c.Go(func() { session.serve(ctx, c, r) })
			}
		},
		Drain: func(c *wsloop.Conn) {
			if session := wsloop.ValueOf[*session](c); session != nil {
				session.member.Drained()
			}
		},
		Close: func(c *wsloop.Conn, _ wsloop.End) {
			if session := wsloop.ValueOf[*session](c); session != nil {
				go session.member.Leave() // it waits for the locks of topics
			}
		},
	}
}

// open makes a connection a member.
func (s *Server) open(c *wsloop.Conn) {
	m, err := s.Hub.Join(hub.LoopConn(c, encoder{}), c.Value())
	if err != nil {
		c.SetValue(nil)
		c.Close(ws.StatusServiceRestart, restarting)
		return
	}
	c.SetValue(&session{server: s, conn: looped{c}, member: m})
}

// serve answers a request. It closes the connection if that fails.
func (s *session) serve(ctx context.Context, c *wsloop.Conn, r request) {
	if err := s.answer(ctx, r); err != nil {
		c.Close(ws.StatusInternalServerError, "")
	}
}

// looped is the [conn] of a connection on a loop.
type looped struct{ *wsloop.Conn }

func (l looped) send(p []byte) (wsutil.SendResult, error) { return l.Send(ws.OpText, p) }

func (l looped) write(ctx context.Context, p []byte) error { return l.SendWait(ctx, ws.OpText, p) }
