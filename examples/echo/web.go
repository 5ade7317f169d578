package echo

import (
	"context"
	_ "embed" // for the page
	"errors"
	"net"
	"net/http"
	"sync"

	"github.com/wskit/wskit/ws"
)

//go:embed page.html
var page []byte

// pagePolicy keeps the page to itself and to WebSocket connections.
const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; " +
	"img-src data:; connect-src ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// ServeHTTP serves a page to try the echo with at / and the echo at /ws. When
// ctx ends it closes ln, tells all peers to go away, waits for them and returns
// nil.
func (s *Server) ServeHTTP(ctx context.Context, ln net.Listener) error {
	var sessions sync.WaitGroup
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", servePage)
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		sessions.Add(1)
		defer sessions.Done()
		s.serveUpgrade(w, r)
	})
	err := serveHTTP(ctx, ln, mux, nil)
	if ctx.Err() != nil {
		sessions.Wait() // they have seen the end of ctx, which BaseContext hands on
	}
	return err
}

// serveHTTP serves until ctx ends. Then it closes ln, and waits for the requests under way
// and for stop, if it is not nil, which ends upgraded connections: Shutdown does not know
// those, and waits for those of HTTP/2. Nor do the timeouts of net/http apply to them.
func serveHTTP(ctx context.Context, ln net.Listener, handler http.Handler, stop func(context.Context) error) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: handshakeTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      requestTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHead,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), handshakeTimeout)
	defer cancel()
	if stop == nil {
		return server.Shutdown(grace)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- stop(grace) }()
	return errors.Join(server.Shutdown(grace), <-stopped)
}

func servePage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", pagePolicy)
	w.Write(page)
}

// serveUpgrade takes the connection over from net/http and echoes on it. An
// echo has nothing to protect; a server that trusts cookies compares the Origin
// field with its own name here.
func (s *Server) serveUpgrade(w http.ResponseWriter, r *http.Request) {
	upgrader := ws.HTTPUpgrader{
		Protocol: func(p string) bool { return p == Protocol },
	}
	conn, rw, _, err := upgrader.Upgrade(r, w)
	if err == nil {
		err = s.Echo(r.Context(), conn, rw.Reader)
	}
	s.report(r.RemoteAddr, err)
}
