package serve

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/cmd/internal/page"
	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/hubproto"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsh3"
)

// server holds the endpoints and what they share.
type server struct {
	*options
	log       *slog.Logger
	group     websocket.Group
	metrics   *metrics
	frames    frames
	rooms     rooms
	broadcast websocket.Group
	files     *os.Root     // the directory of --static, or nil
	open      atomic.Int64 // connections and pending handshakes
	echoLoops *loops       // with --loop, or nil
	hubLoops  *loops       // with --loop and --hub, or nil
	hub       *hub.Hub     // with --hub, or nil
	cluster   *cluster     // with --cluster, or nil
	processes atomic.Int64 // processes of --exec
}

func newServer(o *options, log *slog.Logger) (*server, error) {
	s := &server{options: o, log: log}
	if o.static != "" {
		var err error
		if s.files, err = os.OpenRoot(o.static); err != nil {
			return nil, exit.Usagef("--static %q: cannot serve this directory: %v", o.static, err)
		}
	}
	s.group.Reason = "server is shutting down"
	s.metrics = newMetrics(&s.group)
	if o.onLoop {
		if err := s.startEchoLoops(); err != nil {
			return nil, err
		}
	}
	if o.withHub {
		if err := s.startHub(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// handler returns the handler of all endpoints.
func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	if s.echoLoops != nil {
		mux.Handle("/echo", s.echoLoops)
		mux.HandleFunc("GET /debug/vars", s.vars)
	} else {
		mux.Handle("/echo", s.endpoint("echo", s.echo))
	}
	mux.Handle("/chat", s.endpoint("chat", s.chat))
	mux.Handle("/broadcast", s.endpoint("broadcast", s.broadcastTo))
	if s.exec != "" {
		mux.Handle("/exec", s.endpoint("exec", s.run))
	}
	if s.tcp != "" {
		mux.Handle("/tcp", s.endpoint("tcp", s.connect))
	}
	mode := page.Serve
	if s.hub != nil {
		mode = page.Hub
		if s.hubLoops != nil {
			mux.Handle("/hub", s.hubLoops)
		} else {
			mux.Handle("/hub", s.endpoint("hub", s.talkHub))
		}
		mux.Handle("GET /hub.js", hubproto.Script())
	}
	mux.Handle("GET /metrics", s.metrics.handler())
	mux.Handle("GET /frames", steady(&s.frames))
	mux.Handle("/wskit/", http.StripPrefix("/wskit/", page.Handler(mode)))
	if s.files != nil {
		mux.Handle("/", steady(http.FileServerFS(directory{s.files, s.dotfiles})))
	} else {
		mux.Handle("/", page.Handler(mode))
	}
	return mux
}

// talk serves a connection until it ends, and returns why it did.
type talk func(ctx context.Context, conn *websocket.Conn, r *http.Request) error

// endpoint accepts connections for talk.
func (s *server) endpoint(name string, talk talk) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		log := s.log.With("endpoint", name, "remote", r.RemoteAddr, "http", r.ProtoMajor)
		watchers := s.frames.of(r.URL.Query().Get("id"))
		s.open.Add(1) // before the comparison with --max-connections
		defer s.open.Add(-1)
		conn, err := wsh3.Accept(w, r, s.accepting(name, watchers))
		if err != nil {
			s.metrics.refused.WithLabelValues(name).Inc()
			log.Warn("handshake refused", "error", err)
			return
		}
		defer conn.CloseNow()
		s.metrics.opened.WithLabelValues(name).Inc()
		log.Info("connected", "subprotocol", conn.Subprotocol(), "origin", r.Header.Get("Origin"))
		began := time.Now()
		err = talk(context.WithoutCancel(r.Context()), conn, r)
		logEnd(log, conn, began, err)
	})
}

// accepting returns the options for a connection.
func (s *server) accepting(name string, watchers *watchers) *websocket.AcceptOptions {
	return &websocket.AcceptOptions{
		Subprotocols:       s.subprotocols,
		OriginPatterns:     s.origins,
		InsecureSkipVerify: s.anyOrigin,
		CompressionMode:    compressionModes[s.compress],
		OnHandshake: func(*http.Request, http.Header) error {
			if s.maxConnections > 0 && s.open.Load() > int64(s.maxConnections) {
				return ws.RejectConnectionError(ws.RejectionStatus(http.StatusServiceUnavailable),
					ws.RejectionReason("the maximum number of connections is reached"))
			}
			return nil
		},
		ConnOptions: websocket.ConnOptions{
			ReadLimit:       s.maxMessage,
			KeepAlive:       s.keepAlive,
			ReadIdleTimeout: s.idle,
			WriteTimeout:    30 * time.Second,
			CloseTimeout:    s.shutdown + time.Second, // group.Shutdown comes first, and reports it
			Queue:           s.queue(),
			Group:           &s.group,
			Hooks:           s.metrics.hooks(name, watchers),
		},
	}
}

// logEnd logs how a connection ended.
func logEnd(log *slog.Logger, conn *websocket.Conn, began time.Time, err error) {
	args := []any{"duration", time.Since(began).Round(time.Millisecond)}
	if tooSlow(conn.CloseRecord()) {
		log.Warn("member is too slow")
	}
	if closed, ok := errors.AsType[websocket.CloseError](err); ok {
		log.Info("disconnected", append(args, "code", int(closed.Code), "reason", closed.Reason)...)
		return
	}
	if record := conn.CloseRecord(); record.Sent != 0 {
		args = append(args, "code", int(record.Sent))
	}
	log.Info("disconnected", append(args, "error", err)...)
}
