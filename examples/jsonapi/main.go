// Jsonapi is a JSON API over WebSocket. Clients authenticate with a token and
// send requests with an id, which are answered in any order. Each request has a
// timeout. When the program stops, it answers pending requests before it closes
// the connections. From the folder of the examples:
//
//	JSONAPI_TOKEN=secret go run ./jsonapi
//	wskit dial -H 'Authorization: Bearer secret' -m '{"id":1,"method":"sum","params":[1,2]}' ws://127.0.0.1:8084/api
package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wsjson"
	"github.com/wskit/wskit/ws"
)

const mostInFlight = 8 // requests of one connection; others wait in its socket

type api struct {
	token string
	conns websocket.Group // http.Server.Shutdown does not wait for them
}

// authorize refuses a handshake without the token. The comparison takes the
// same time for every wrong token.
func (a *api) authorize(r *http.Request, _ http.Header) error {
	want := "Bearer " + a.token
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(want)) == 1 {
		return nil
	}
	return ws.RejectConnectionError(
		ws.RejectionStatus(http.StatusUnauthorized),
		ws.RejectionHeader(ws.HandshakeHeaderString("WWW-Authenticate: Bearer\r\n")),
	)
}

// serve answers the requests of one connection until the client leaves or the
// program stops.
func (a *api) serve(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		OnHandshake: a.authorize,
		ConnOptions: websocket.ConnOptions{Group: &a.conns, KeepAlive: 30 * time.Second, WriteTimeout: 10 * time.Second},
	})
	if err != nil {
		return // the client has the response
	}
	defer c.CloseNow()
	var inFlight sync.WaitGroup
	turns := make(chan struct{}, mostInFlight)
	for {
		var req request
		if err = wsjson.Read(r.Context(), c, &req); err != nil {
			break
		}
		turns <- struct{}{}
		inFlight.Go(func() {
			defer func() { <-turns }()
			if wsjson.Write(context.Background(), c, answer(req)) != nil {
				c.CloseNow()
			}
		})
	}
	inFlight.Wait()
	if errors.Is(err, websocket.ErrDraining) { // otherwise it is already closed
		c.Close(websocket.StatusGoingAway, "the server is stopping")
	}
}

// run serves until ctx ends, and then until all requests are answered.
func (a *api) run(ctx context.Context, ln net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api", a.serve)
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second, // these are for requests; KeepAlive is for connections
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
	grace, cancel := context.WithTimeout(context.Background(), 2*requestTimeout)
	defer cancel()
	return errors.Join(a.conns.Drain(grace), server.Shutdown(grace))
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8084", "`host:port` to listen on")
	flag.Parse()
	token := os.Getenv("JSONAPI_TOKEN")
	if token == "" {
		log.Fatal("jsonapi: JSONAPI_TOKEN is empty")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("jsonapi: serving on ws://%v/api\n", ln.Addr())
	if err := (&api{token: token}).run(ctx, ln); err != nil {
		log.Fatal(err)
	}
}
