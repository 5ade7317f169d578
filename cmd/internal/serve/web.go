package serve

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"time"

	"github.com/wskit/wskit/websocket/xconnect"
)

// Timeouts for clients. net/http does not apply them after the upgrade; Accept
// has options for that.
const (
	headTimeout    = 10 * time.Second // for the TLS handshake and the head of a request
	requestTimeout = 30 * time.Second // for the whole request
	writeTimeout   = 30 * time.Second // for a response, or for each part of a long one
	idleTimeout    = 2 * time.Minute  // between two requests
)

// maxHead is the maximum size of a request head in bytes. net/http adds 4 KiB.
const maxHead = 16 << 10

// web returns the server for all endpoints. It serves HTTP/1.1 and, unless
// disabled, HTTP/2: without TLS only to clients that know that it does.
func (s *server) web(config *tls.Config) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(s.http2)
	protocols.SetUnencryptedHTTP2(s.http2)
	web := &http.Server{
		Handler:           s.handler(),
		TLSConfig:         config,
		Protocols:         protocols,
		ReadHeaderTimeout: headTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHead,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	if s.http2 {
		xconnect.Configure(web)
	}
	return web
}

// logHTTP2 logs whether clients can open WebSockets over HTTP/2.
func (s *server) logHTTP2(web *http.Server) {
	if !s.http2 {
		return
	}
	if err := xconnect.Check(web); err != nil {
		s.log.Warn("no WebSockets over HTTP/2", "error", err)
		return
	}
	s.log.Info("WebSockets over HTTP/2 are on", "tls", web.TLSConfig != nil)
}

// steady lets a response take longer than writeTimeout, such as a large file or
// a stream of events, as long as the client keeps reading.
func steady(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&steadyWriter{w, http.NewResponseController(w)}, r)
	})
}

// steadyWriter applies writeTimeout to each Write. It has no ReadFrom, which
// would be one write of any length.
type steadyWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Write writes p to the client.
func (w *steadyWriter) Write(p []byte) (int, error) {
	w.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *steadyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
