package serve

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/quic-go/quic-go/http3"

	"github.com/wskit/wskit/wsh3"
)

// overUDP is the HTTP/3 server, or nil.
type overUDP struct {
	*http3.Server
	conn net.PacketConn
	done chan error
}

// startHTTP3 serves what web does over HTTP/3, at the UDP port of the same number. The
// answers of web then say so.
func (s *server) startHTTP3(web *http.Server, addr net.Addr) (*overUDP, error) {
	if !s.http3 {
		return nil, nil
	}
	conn, err := net.ListenPacket("udp", addr.String())
	if err != nil {
		return nil, fmt.Errorf("cannot listen for HTTP/3: %w: choose another --addr", err)
	}
	u := &overUDP{conn: conn, done: make(chan error, 1), Server: &http3.Server{
		Handler:        web.Handler,
		TLSConfig:      http3.ConfigureTLSConfig(web.TLSConfig),
		QUICConfig:     wsh3.QUICConfig(),
		MaxHeaderBytes: maxHead,
		IdleTimeout:    idleTimeout,
		Logger:         slog.New(slog.DiscardHandler), // it logs what clients do
	}}
	offered := fmt.Sprintf(`h3=":%d"; ma=3600`, addr.(*net.TCPAddr).Port)
	next := web.Handler
	web.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Alt-Svc", offered) // RFC 7838
		next.ServeHTTP(w, r)
	})
	go func() { u.done <- u.Serve(conn) }()
	s.log.Info("WebSockets over HTTP/3 are on", "udp", conn.LocalAddr())
	return u, nil
}

// failed returns what yields the error of a server that has ended by itself.
func (u *overUDP) failed() <-chan error {
	if u == nil {
		return nil
	}
	return u.done
}

// end waits until clients have closed their connections, as long as ctx lasts, and then
// closes those that are left.
func (u *overUDP) end(ctx context.Context) {
	if u == nil {
		return
	}
	u.Shutdown(ctx)
	u.Close()
	u.conn.Close()
}
