// Mqtt is an MQTT broker for browsers over WebSocket (MQTT 5.0, section 6): the
// broker of mochi-mqtt with a listener that uses package websocket. From the
// folder of the examples:
//
//	go run ./mqtt
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
	"sync"
	"time"

	broker "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"

	"github.com/wskit/wskit/websocket"
)

// listener is a listeners.Listener that passes each WebSocket to the broker as
// a net.Conn.
type listener struct {
	ln     net.Listener
	server *http.Server
	group  websocket.Group
	open   sync.WaitGroup
	log    *slog.Logger
}

func (l *listener) ID() string       { return "websocket" }
func (l *listener) Protocol() string { return "ws" }
func (l *listener) Address() string  { return l.ln.Addr().String() }

func (l *listener) Init(log *slog.Logger) error {
	l.log = log
	return nil
}

// Serve serves until Close.
func (l *listener) Serve(establish listeners.EstablishFn) {
	l.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.open.Add(1)
		defer l.open.Done()
		l.serve(w, r, establish)
	})
	if err := l.server.Serve(l.ln); !errors.Is(err, http.ErrServerClosed) {
		l.log.Error("websocket", "error", err)
	}
}

func (l *listener) serve(w http.ResponseWriter, r *http.Request, establish listeners.EstablishFn) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:   []string{"mqtt"},
		OriginPatterns: []string{"*"}, // clients log in with MQTT, and cookies are not used
		ConnOptions: websocket.ConnOptions{
			Group:        &l.group,
			ReadLimit:    1 << 20,
			WriteTimeout: 10 * time.Second,
		},
	})
	if err != nil {
		return // the client has the response
	}
	if c.Subprotocol() != "mqtt" {
		c.Close(websocket.StatusPolicyViolation, "subprotocol mqtt is needed")
		return
	}
	// A packet may span messages, and a message may contain several packets, so
	// the bytes are a stream. The broker sets deadlines on it for MQTT's
	// keep-alive.
	conn := websocket.NetConn(context.Background(), c, websocket.MessageBinary)
	defer conn.Close()
	if err := establish(l.ID(), conn); err != nil {
		l.log.Info("client left", "client", r.RemoteAddr, "error", err)
	}
}

// Close ends all connections.
func (l *listener) Close(closeClients listeners.CloseFn) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	closeClients(l.ID()) // with a packet DISCONNECT
	l.server.Shutdown(ctx)
	l.group.Shutdown(ctx)
	l.open.Wait()
}

// run serves until ctx ends.
func run(ctx context.Context, ln net.Listener) error {
	b := broker.New(&broker.Options{Logger: slog.New(slog.DiscardHandler)})
	// A real broker needs users: see package auth.
	if err := b.AddHook(new(auth.AllowHook), nil); err != nil {
		return err
	}
	err := b.AddListener(&listener{ln: ln, server: &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}})
	if err != nil {
		return err
	}
	if err := b.Serve(); err != nil {
		return err
	}
	<-ctx.Done()
	return b.Close()
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8088", "`host:port` to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("mqtt: serving on ws://%v/\n", ln.Addr())
	if err := run(ctx, ln); err != nil {
		log.Fatal(err)
	}
}
