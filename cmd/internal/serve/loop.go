package serve

import (
	"errors"
	"expvar"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsloop"
	"github.com/wskit/wskit/wsutil"
)

// startLoop starts the loops of --loop, which serve /echo.
func (s *server) startLoop() (err error) {
	cfg := &wsloop.Config{
		MaxMessage:      s.maxMessage,
		KeepAlive:       s.keepAlive,
		ReadIdleTimeout: s.idle,
		Queue:           wsutil.SendQueueOptions{MaxBytes: max(int(s.maxMessage), wsutil.DefaultSendQueueBytes), MaxMessages: -1},
	}
	if s.maxMessage < 0 {
		cfg.Queue.MaxBytes = -1
	}
	s.loop, err = wsloop.New(cfg, &wsloop.Handler{
		Message: func(c *wsloop.Conn, op ws.OpCode, p []byte) { c.Send(op, p) },
		Close:   s.loopEnded,
	})
	if err == nil {
		s.metrics.watchLoop(s.loop)
	}
	return err
}

// loopConn is the state of a connection on a loop.
type loopConn struct {
	remote string
	began  time.Time
}

func (s *server) loopEnded(c *wsloop.Conn, end wsloop.End) {
	s.open.Add(-1)
	known := wsloop.ValueOf[loopConn](c)
	s.metrics.closed.WithLabelValues("echo", codeLabel(websocket.StatusCode(end.Code))).Inc()
	s.log.Info("disconnected", "endpoint", "echo", "remote", known.remote,
		"duration", time.Since(known.began).Round(time.Millisecond), "code", int(end.Code), "reason", end.Reason)
}

// echoOnLoop upgrades requests and passes the connections to the loops. HTTP/2
// streams stay with the goroutines of their handlers.
func (s *server) echoOnLoop(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor > 1 {
		s.endpoint("echo", s.echo).ServeHTTP(w, r)
		return
	}
	if s.open.Add(1); s.maxConnections > 0 && s.open.Load() > int64(s.maxConnections) {
		s.refuseLoop(r, errors.New("the maximum number of connections is reached"))
		http.Error(w, "the maximum number of connections is reached", http.StatusServiceUnavailable)
		return
	}
	origins := &websocket.AcceptOptions{OriginPatterns: s.origins, InsecureSkipVerify: s.anyOrigin}
	if err := origins.CheckOrigin(r); err != nil {
		s.refuseLoop(r, err)
		http.Error(w, err.Error(), ws.RefusalStatus(err))
		return
	}
	u := ws.HTTPUpgrader{}
	if len(s.subprotocols) > 0 {
		u.Protocol = ws.SelectFromSlice(s.subprotocols)
	}
	if s.compress != "off" {
		none := s.compress == "no-takeover"
		policy := wsflate.Parameters{ServerNoContextTakeover: none, ClientNoContextTakeover: none}
		u.Negotiate = (&wsflate.Extension{Parameters: policy, Adaptive: true}).Negotiate
	}
	conn, rw, hs, err := u.Upgrade(r, w)
	if err != nil {
		s.refuseLoop(r, err)
		return
	}
	known := loopConn{r.RemoteAddr, time.Now()}
	s.metrics.opened.WithLabelValues("echo").Inc()
	s.log.Info("connected", "endpoint", "echo", "remote", r.RemoteAddr, "subprotocol", hs.Protocol, "origin", r.Header.Get("Origin"))
	if _, err := s.loop.Attach(conn, rw.Reader, hs, ws.StateServerSide, &wsloop.Options{Value: known}); err != nil {
		s.open.Add(-1)
		s.log.Warn("disconnected", "endpoint", "echo", "remote", r.RemoteAddr, "error", err)
	}
}

func (s *server) refuseLoop(r *http.Request, err error) {
	s.open.Add(-1)
	s.metrics.refused.WithLabelValues("echo").Inc()
	s.log.Warn("handshake refused", "endpoint", "echo", "remote", r.RemoteAddr, "error", err)
}

// vars shows the counters of the loops in the format of package expvar.
func (s *server) vars(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	fmt.Fprintf(w, "{\n%q: %v\n}\n", "wsloop", expvar.Func(func() any { return s.loop.Stats() }))
}

// watchLoop adds the counters of the loops.
func (m *metrics) watchLoop(s *wsloop.Server) {
	for name, value := range map[string]func(wsloop.Stats) float64{
		"connections":          func(st wsloop.Stats) float64 { return float64(st.Conns) },
		"messages_in":          func(st wsloop.Stats) float64 { return float64(st.MessagesIn) },
		"messages_out":         func(st wsloop.Stats) float64 { return float64(st.MessagesOut) },
		"bytes_in":             func(st wsloop.Stats) float64 { return float64(st.BytesIn) },
		"bytes_out":            func(st wsloop.Stats) float64 { return float64(st.BytesOut) },
		"accepted":             func(st wsloop.Stats) float64 { return float64(st.Accepted) },
		"behind":               func(st wsloop.Stats) float64 { return float64(st.Behind) },
		"waiting_bytes":        func(st wsloop.Stats) float64 { return float64(st.Waiting) },
		"dropped":              func(st wsloop.Stats) float64 { return float64(st.Dropped) },
		"turns":                func(st wsloop.Stats) float64 { return float64(st.Turns) },
		"longest_turn_seconds": func(st wsloop.Stats) float64 { return st.LongestTurn.Seconds() },
	} {
		m.registry.MustRegister(prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Namespace: "wskit", Subsystem: "loop", Name: name, Help: "See wsloop.Stats."},
			func() float64 { return value(s.Stats()) }))
	}
}
