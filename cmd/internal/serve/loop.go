package serve

import (
	"context"
	"errors"
	"expvar"
	"fmt"
	"net/http"
	"time"

	"github.com/wskit/wskit/hub/hubproto"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsloop"
	"github.com/wskit/wskit/wsutil"
)

// loops are the loops of an endpoint with --loop. Endpoints do not share loops,
// because the limits of their connections differ.
type loops struct {
	*wsloop.Server
	s        *server
	endpoint string
	handler  *wsloop.Handler
	talk     talk // for connections that are not on loops
}

// startEchoLoops starts the loops of /echo. A queue holds the longest message.
func (s *server) startEchoLoops() (err error) {
	queue := wsutil.SendQueueOptions{MaxBytes: max(int(s.maxMessage), wsutil.DefaultSendQueueBytes), MaxMessages: -1}
	if s.maxMessage < 0 {
		queue.MaxBytes = -1
	}
	s.echoLoops, err = s.startLoops("echo", s.maxMessage, queue, s.echo, &wsloop.Handler{
		Message: func(c *wsloop.Conn, op ws.OpCode, p []byte) { c.Send(op, p) },
	})
	return err
}

// startHubLoops starts the loops of /hub, with the limits of other members.
func (s *server) startHubLoops() (err error) {
	handler := (&hubproto.Server{Hub: s.hub}).LoopHandler(context.Background())
	s.hubLoops, err = s.startLoops("hub", s.within(maxChatText), s.queue(), s.talkHub, handler)
	return err
}

func (s *server) startLoops(endpoint string, maxMessage int64, queue wsutil.SendQueueOptions, talk talk, h *wsloop.Handler) (*loops, error) {
	running, err := wsloop.New(&wsloop.Config{
		MaxMessage:      maxMessage,
		KeepAlive:       s.keepAlive,
		ReadIdleTimeout: s.idle,
		Queue:           queue,
	}, nil)
	if err != nil {
		return nil, err
	}
	watch(s.metrics, "loop", map[string]string{"endpoint": endpoint}, running.Stats, loopGauges...)
	return &loops{running, s, endpoint, h, talk}, nil
}

// end ends the loops. l may be nil.
func (l *loops) end(ctx context.Context) error {
	if l == nil {
		return nil
	}
	return l.Shutdown(ctx)
}

// ServeHTTP upgrades requests and passes the connections to the loops. HTTP/2
// streams stay with the goroutines of their handlers.
func (l *loops) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := l.s
	if r.ProtoMajor > 1 {
		s.endpoint(l.endpoint, l.talk).ServeHTTP(w, r)
		return
	}
	if s.open.Add(1); s.maxConnections > 0 && s.open.Load() > int64(s.maxConnections) {
		l.refuse(r, errors.New("the maximum number of connections is reached"))
		http.Error(w, "the maximum number of connections is reached", http.StatusServiceUnavailable)
		return
	}
	origins := &websocket.AcceptOptions{OriginPatterns: s.origins, InsecureSkipVerify: s.anyOrigin}
	if err := origins.CheckOrigin(r); err != nil {
		l.refuse(r, err)
		http.Error(w, err.Error(), ws.RefusalStatus(err))
		return
	}
	conn, rw, hs, err := s.loopUpgrader().Upgrade(r, w)
	if err != nil {
		l.refuse(r, err)
		return
	}
	s.metrics.opened.WithLabelValues(l.endpoint).Inc()
	s.log.Info("connected", "endpoint", l.endpoint, "remote", r.RemoteAddr, "subprotocol", hs.Protocol, "origin", r.Header.Get("Origin"))
	o := &wsloop.Options{Handler: l.tracked(r.RemoteAddr)}
	if _, err := l.Attach(conn, rw.Reader, hs, ws.StateServerSide, o); err != nil {
		s.open.Add(-1)
		s.log.Warn("disconnected", "endpoint", l.endpoint, "remote", r.RemoteAddr, "error", err)
	}
}

// loopUpgrader returns the policy for opening handshakes.
func (s *server) loopUpgrader() (u ws.HTTPUpgrader) {
	if len(s.subprotocols) > 0 {
		u.Protocol = ws.SelectFromSlice(s.subprotocols)
	}
	if s.compress != "off" {
		none := s.compress == "no-takeover"
		policy := wsflate.Parameters{ServerNoContextTakeover: none, ClientNoContextTakeover: none}
		u.Negotiate = (&wsflate.Extension{Parameters: policy, Adaptive: true}).Negotiate
	}
	return u
}

func (l *loops) refuse(r *http.Request, err error) {
	l.s.open.Add(-1)
	l.s.metrics.refused.WithLabelValues(l.endpoint).Inc()
	l.s.log.Warn("handshake refused", "endpoint", l.endpoint, "remote", r.RemoteAddr, "error", err)
}

// tracked returns the handler of a connection, which also records its beginning
// and its end.
func (l *loops) tracked(remote string) *wsloop.Handler {
	began := time.Now()
	h := *l.handler
	h.Open = func(c *wsloop.Conn) {
		if l.s.group.JoinMember(c) != nil { // the server is shutting down
			c.Close(ws.StatusGoingAway, l.s.group.Reason)
		} else if l.handler.Open != nil {
			l.handler.Open(c)
		}
	}
	h.Close = func(c *wsloop.Conn, end wsloop.End) {
		if l.handler.Close != nil {
			l.handler.Close(c, end)
		}
		l.ended(remote, began, end)
	}
	return &h
}

func (l *loops) ended(remote string, began time.Time, end wsloop.End) {
	s := l.s
	s.open.Add(-1)
	s.metrics.closed.WithLabelValues(l.endpoint, codeLabel(websocket.StatusCode(end.Code))).Inc()
	log := s.log.With("endpoint", l.endpoint, "remote", remote)
	if l.endpoint != "echo" && errors.Is(end.Err, wsutil.ErrSendQueueFull) { // clients of /echo are no members
		s.metrics.slow.WithLabelValues(l.endpoint).Inc()
		log.Warn("member is too slow")
	}
	log.Info("disconnected", "duration", time.Since(began).Round(time.Millisecond), "code", int(end.Code), "reason", end.Reason)
}

// vars shows the counters of the loops in the format of package expvar.
func (s *server) vars(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	fmt.Fprintf(w, "{\n%q: %v", "wsloop", expvar.Func(func() any { return s.echoLoops.Stats() }))
	if s.hubLoops != nil {
		fmt.Fprintf(w, ",\n%q: %v", "wsloop.hub", expvar.Func(func() any { return s.hubLoops.Stats() }))
	}
	fmt.Fprint(w, "\n}\n")
}

// loopGauges are the counters of loops.
var loopGauges = []gauge[wsloop.Stats]{
	{"connections", "Connections on loops.", func(st wsloop.Stats) float64 { return float64(st.Conns) }},
	{"messages_in", "Messages that were received on loops.", func(st wsloop.Stats) float64 { return float64(st.MessagesIn) }},
	{"messages_out", "Messages that were sent on loops.", func(st wsloop.Stats) float64 { return float64(st.MessagesOut) }},
	{"bytes_in", "Bytes that were received on loops.", func(st wsloop.Stats) float64 { return float64(st.BytesIn) }},
	{"bytes_out", "Bytes that were sent on loops.", func(st wsloop.Stats) float64 { return float64(st.BytesOut) }},
	{"behind", "Connections to which data could not be written, up to half a second ago.", func(st wsloop.Stats) float64 { return float64(st.Behind) }},
	{"waiting_bytes", "Bytes that waited to be sent, up to half a second ago.", func(st wsloop.Stats) float64 { return float64(st.Waiting) }},
	{"dropped", "Messages that were dropped because a queue was full.", func(st wsloop.Stats) float64 { return float64(st.Dropped) }},
	{"turns", "Iterations of all loops.", func(st wsloop.Stats) float64 { return float64(st.Turns) }},
	{"longest_turn_seconds", "Duration of the longest iteration of a loop.", func(st wsloop.Stats) float64 { return st.LongestTurn.Seconds() }},
}
