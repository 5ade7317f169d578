package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/hubproto"
	"github.com/wskit/wskit/hub/natsbroker"
)

// node is one copy of the server.
type node struct {
	addr, listen, dir string
	join              []string
	presence          time.Duration
}

// run serves until ctx ends.
func (n *node) run(ctx context.Context, out io.Writer) error {
	server, err := natsbroker.StartServer(natsbroker.ServerOptions{Listen: n.listen, Join: n.join, Dir: n.dir})
	if err != nil {
		return err
	}
	defer server.Shutdown()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil)).With("node", n.addr)
	broker, err := natsbroker.New(natsbroker.Options{
		Server:  server,
		History: func(topic string) bool { return strings.HasPrefix(topic, "room.") },
		Storage: jetstream.MemoryStorage, // on three nodes, one of which may fail at any time
		OnError: func(err error) { log.Warn("broker", "error", err) },
	})
	if err != nil {
		return err
	}
	h := hub.New(&hub.Options{Broker: broker, BrokerTimeout: 15 * time.Second, PresenceTTL: n.presence})
	ended := make(chan error, 2)
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go func() { ended <- h.Run(running) }()

	mux := http.NewServeMux()
	mux.Handle("/hub", &hubproto.Server{Hub: h})
	mux.Handle("/hub.js", hubproto.Script())
	web := &http.Server{
		Addr:              n.addr,
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	go func() { ended <- web.ListenAndServe() }()
	fmt.Fprintf(out, "node at ws://%s/hub\n", n.addr)
	select {
	case err := <-ended:
		return errors.Join(err, web.Close())
	case <-ctx.Done():
	}
	leaving, cancel := context.WithTimeout(running, 5*time.Second)
	defer cancel()
	return errors.Join(h.Drain(leaving, time.Second), web.Shutdown(leaving))
}
