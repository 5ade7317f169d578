package hubproto

import (
	"context"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsloop"
	"github.com/wskit/wskit/wsutil"
)

// LoopHandler returns a handler that serves the protocol on connections of package
// wsloop. What Value of [wsloop.Options] says for a connection is what
// [hub.Member.Value] returns; after that, [wsloop.Conn.Value] belongs to the handler.
// Hooks and calls of the broker run on goroutines, with ctx. The Queue of
// [wsloop.Config] bounds what waits for a client: see Options. Options and Value of s
// do not count.
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
				go session.member.Leave() // it may wait for the broker
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

// serve answers a request. If that fails, the connection ends, unless it does already.
func (s *session) serve(ctx context.Context, c *wsloop.Conn, r request) {
	if err := s.answer(ctx, r); err != nil {
		c.Close(ws.StatusInternalServerError, "")
	}
}

// looped is the [conn] of a connection on a loop.
type looped struct{ *wsloop.Conn }

func (l looped) send(p []byte) (wsutil.SendResult, error) { return l.Send(ws.OpText, p) }

func (l looped) write(ctx context.Context, p []byte) error { return l.SendWait(ctx, ws.OpText, p) }
