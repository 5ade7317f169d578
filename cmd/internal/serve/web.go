package serve

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"time"
)

// The longest times that a client may take. net/http does not apply them to a
// connection after the upgrade: Accept has the options for those.
const (
	headTimeout    = 10 * time.Second // for TLS, and for the head of a request
	requestTimeout = 30 * time.Second // for the whole request
	writeTimeout   = 30 * time.Second // for an answer, or where it is long for each part of it
	idleTimeout    = 2 * time.Minute  // between two requests
)

// maxHead is the longest head of a request in bytes. net/http adds 4 KiB.
const maxHead = 16 << 10

// web returns the server for all endpoints. It speaks no HTTP/2, in which there
// is no upgrade.
func (s *server) web(config *tls.Config) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
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
}

// steady lets an answer take longer than writeTimeout, as a large file or a stream
// of events does, as long as the client goes on reading.
func steady(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&steadyWriter{w, http.NewResponseController(w)}, r)
	})
}

// steadyWriter has writeTimeout for each Write. It has no ReadFrom, which would be
// one write of any length.
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
