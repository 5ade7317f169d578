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

// pagePolicy restricts the page to its own content and to WebSocket
// connections.
const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; " +
	"img-src data:; connect-src ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// ServeHTTP serves the echo at /ws, and a page to try it at /. When ctx ends,
// it closes ln and all connections with status 1001, waits for them and returns
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
		sessions.Wait() // they see the end of ctx through BaseContext
	}
	return err
}

// serveHTTP serves until ctx ends. Then it closes ln, and waits for pending
// requests and for stop. stop, if not nil, ends upgraded connections: Shutdown
// does not wait for those over HTTP/1.1, and waits for those over HTTP/2
// without closing them. The timeouts of net/http do not apply to upgraded
// connections.
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

// serveUpgrade takes over the connection from net/http and echoes on it. An
// echo has nothing to protect. A server that uses cookies must check the Origin
// field here.
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
