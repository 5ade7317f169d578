// Metrics is a server with metrics for Prometheus: an echo at /echo, and
// /metrics. contrib/prometheus has a dashboard. From the folder of the
// examples:
//
//	go run ./metrics
//	curl http://127.0.0.1:8089/metrics
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	wsprometheus "github.com/wskit/wskit/contrib/prometheus"
	"github.com/wskit/wskit/websocket"
)

const closeSignedOut websocket.StatusCode = 4001 // clients of this program send it

type server struct {
	registry *prometheus.Registry
	options  websocket.AcceptOptions
	group    websocket.Group
}

func newServer() *server {
	s := &server{registry: prometheus.NewRegistry()}
	// One Stats for each endpoint, with a label.
	stats := new(websocket.Stats)
	s.registry.MustRegister(
		wsprometheus.NewCollector(stats, &wsprometheus.Options{
			Labels:     prometheus.Labels{"endpoint": "echo"},
			CloseCodes: []websocket.StatusCode{closeSignedOut}, // has a series of its own
		}),
		collectors.NewGoCollector(),
	)
	s.options.Stats = stats
	s.options.Group = &s.group
	s.options.KeepAlive = 30 * time.Second
	s.options.WriteTimeout = 10 * time.Second
	// Events of single connections are logged.
	s.options.Hooks = &websocket.Hooks{
		Closed: func(_ *websocket.Conn, r websocket.CloseRecord) {
			slog.Debug("closed", "after", r.Duration, "code", int(r.Received), "clean", r.Clean, "error", r.Err)
		},
	}
	return s
}

func (s *server) echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &s.options)
	if err != nil {
		return // counted, with its status
	}
	defer c.CloseNow()
	for msg, err := range c.Messages(r.Context()) {
		if err != nil || c.Write(r.Context(), msg.Type, msg.Data) != nil {
			return
		}
	}
}

// run serves until ctx ends.
func (s *server) run(ctx context.Context, ln net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /echo", s.echo)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(s.group.Shutdown(grace), server.Shutdown(grace))
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8089", "`host:port` to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("metrics: serving on http://%v/metrics and ws://%[1]v/echo\n", ln.Addr())
	if err := newServer().run(ctx, ln); err != nil {
		log.Fatal(err)
	}
}
